"""`make demo`: one turn through the whole house."""
