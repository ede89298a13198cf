"""What a rollout says, in our events: pure, line by line."""
