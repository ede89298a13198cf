"""The engine on files, and one file for each operation of it."""
