"""One file for each operation on streams."""
