"""Small frozen values that events, commands and states are made of."""
