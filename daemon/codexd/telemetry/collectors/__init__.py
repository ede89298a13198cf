"""Collectors: where they are, what they are sent, and how."""
