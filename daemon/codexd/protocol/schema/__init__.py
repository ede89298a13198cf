"""Types for those who write clients: JSON Schema and TypeScript, made from the structs of the protocol."""
