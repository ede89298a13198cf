"""Messages as bytes: JSON-RPC, its two framings, and error messages for invalid params."""
