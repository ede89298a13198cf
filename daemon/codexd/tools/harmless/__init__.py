"""Tools that change nothing on the machine: the plan, an image, a search by the provider."""
