"""This machine: where codexd keeps things, whose files are believed, processes, limits and log lines."""
