"""Where pure meets the world: one actor per loaded thread, its effects, and their supervisor."""
