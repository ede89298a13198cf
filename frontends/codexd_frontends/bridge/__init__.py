"""The daemon for a client that speaks over pipes: its lines, its settings, and what outlives a daemon."""
