"""The launcher, which stands between the daemon and a command: standard library only, to start fast."""
