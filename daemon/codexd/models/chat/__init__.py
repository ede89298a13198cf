"""The chat completions API: requests from the history, and items from its stream."""
