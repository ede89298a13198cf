"""The state of a thread, folded from its events; `evolve` never refuses."""
