"""Events folded into what clients are shown: items, turns, notifications."""
