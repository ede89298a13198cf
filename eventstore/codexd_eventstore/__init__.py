"""An event store: streams of records in append-only logs, one writer each. It knows bytes, names and numbers."""
