"""One log: opening, reading, verifying, and committing what is appended."""
