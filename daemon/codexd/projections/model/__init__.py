"""Events folded into what the model reads."""
