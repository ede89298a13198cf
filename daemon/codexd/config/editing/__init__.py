"""Changes of config.toml by programs: what they change, how its text stays as it was, and how it is written."""
