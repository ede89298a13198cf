"""The read side: pure folds of one thread's events, for models and screens."""
