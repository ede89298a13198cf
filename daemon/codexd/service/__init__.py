"""The daemon as a service: what systemd or launchd gives it and is told by it, its log, and its restart in place."""
