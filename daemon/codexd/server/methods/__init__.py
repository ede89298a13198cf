"""One file for each family of methods, and the table of them all."""
