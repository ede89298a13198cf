"""Text as people are shown it: every character seen, and a line for a thread that nobody has named."""
