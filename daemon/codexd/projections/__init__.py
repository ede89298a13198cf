"""The read side: folds of one thread's events into what models and screens see. All pure."""
