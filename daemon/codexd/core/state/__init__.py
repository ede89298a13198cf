"""What a thread is, folded from its events; `evolve` never refuses."""
