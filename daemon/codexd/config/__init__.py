"""What people configure: the file, its keys, the newest good state of it, and where things lie on this machine."""
