"""The pure core: events, commands, and the three functions decide, evolve and due. No clock, no I/O."""
