"""codexd's own texts for models."""
