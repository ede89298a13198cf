"""This machine: paths, trusted owners of files, processes, limits and log lines."""
