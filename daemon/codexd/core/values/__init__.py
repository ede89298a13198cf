"""Small frozen values in events, commands and states."""
