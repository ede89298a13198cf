"""The events of a thread, and their encoding in records."""
