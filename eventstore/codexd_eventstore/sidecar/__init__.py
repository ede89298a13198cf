"""The sidecar: hints, keys, snapshots and checkpoints beside the logs, which may be lost."""
