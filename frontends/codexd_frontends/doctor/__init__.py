"""What `codexctl doctor` finds: by the daemon, or by its checks without one, and around this terminal."""
