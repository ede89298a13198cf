"""The layers of the configuration: TOML tables of files, projects and flags, and the origin of each key."""
