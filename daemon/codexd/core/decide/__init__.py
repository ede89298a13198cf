"""The one place that judges: `decide`, and the rules for each kind of command."""
