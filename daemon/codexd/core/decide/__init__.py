"""`decide`, and the rules for each kind of command."""
