"""codexd: a daemon that owns coding-agent conversations, each one an append-only event log."""

__version__ = "0.1.0"
