"""What people configure: the file, its keys, and the newest good state of it."""
