"""What works and what does not: checks of the configuration, the machine and the ways to others."""
