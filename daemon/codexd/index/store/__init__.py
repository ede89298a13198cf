"""The index's tables, and who reads and writes them."""
