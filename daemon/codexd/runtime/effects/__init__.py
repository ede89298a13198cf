"""The effects that state makes due: a model call, a tool call, a title, a review."""
