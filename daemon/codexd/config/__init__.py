"""config.toml: the parser, the keys, and the current settings."""
