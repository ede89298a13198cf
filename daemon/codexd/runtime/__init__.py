"""The loaded threads: an actor for each, its effects, and the supervisor of all."""
