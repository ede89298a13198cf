"""What can be read of a damaged log."""
