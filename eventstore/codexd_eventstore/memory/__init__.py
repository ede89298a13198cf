"""The engine that keeps everything in memory: the verified fake."""
