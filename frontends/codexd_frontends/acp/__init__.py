"""The Agent Client Protocol: an editor's sessions are threads of the daemon, and its requests are the daemon's methods."""
