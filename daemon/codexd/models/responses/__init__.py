"""The Responses API: requests from the history, and items from its stream."""
