"""What the model can do: named tools and the processes they run."""
