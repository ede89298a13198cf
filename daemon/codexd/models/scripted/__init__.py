"""A scripted model: a server on loopback that plays what a prompt says."""
