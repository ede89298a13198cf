"""Images between the world and the log: looked at, kept as blobs, and shown to a model."""
