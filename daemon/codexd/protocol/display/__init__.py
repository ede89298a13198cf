"""Text for people: every character visible, and titles of threads without a name."""
