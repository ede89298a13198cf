"""How a record is a line, and how lines are found in a file."""
