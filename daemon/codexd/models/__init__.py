"""Providers: what asks a model API and turns its stream into model events."""
