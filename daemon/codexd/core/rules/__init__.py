"""Rules that people write into files: for the beginnings of commands, and for hosts."""
