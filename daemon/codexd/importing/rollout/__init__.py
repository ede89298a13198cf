"""Converts the lines of a rollout to events. Pure."""
