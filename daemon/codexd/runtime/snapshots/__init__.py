"""How a thread is loaded without reading its whole log."""
