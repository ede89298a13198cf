"""One file for each family of methods, and the table of all methods."""
