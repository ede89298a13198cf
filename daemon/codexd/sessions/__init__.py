"""Commands that go on after their answers: models and people write to them, and collect what they print."""
