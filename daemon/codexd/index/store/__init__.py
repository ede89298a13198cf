"""The index's tables, and the connections that read and write them."""
