"""Rules for the beginnings of commands, which people write into files."""
