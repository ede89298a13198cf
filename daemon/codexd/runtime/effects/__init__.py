"""What runs because it is due: a model call, a tool call, a title, a review."""
