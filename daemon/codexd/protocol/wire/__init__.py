"""Messages as bytes: JSON-RPC, its two framings, and what is said of bad params."""
