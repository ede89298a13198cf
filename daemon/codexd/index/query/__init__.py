"""How lists and searches are answered from the index."""
