"""Shell lines as far as they are understood, and which of them are known to only read."""
