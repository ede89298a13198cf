"""The pure heart: events, commands, and the three functions decide, evolve and due. No clock, no I/O."""
