"""Programs that people use: they speak to the daemon over its socket and keep nothing but a position."""
