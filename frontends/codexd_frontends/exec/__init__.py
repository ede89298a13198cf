"""One turn without a person: what `codexctl exec` runs for CI jobs, and for the TypeScript SDK of Codex."""
