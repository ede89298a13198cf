"""Events folded into what was used, and what it cost."""
