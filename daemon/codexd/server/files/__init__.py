"""What clients do with the person's files: `disk` reads and writes, `watching` follows, `search` finds them by name."""
