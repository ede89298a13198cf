"""The texts of ours that a model is given."""
