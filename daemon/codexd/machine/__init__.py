"""This machine as it can be trusted: files and folders of others, processes, limits, and what is written about them."""
