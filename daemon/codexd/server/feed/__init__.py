"""The notifications to the followers of a thread, each at its own speed."""
