"""Notes beside the logs that spare reading them, and may be lost."""
