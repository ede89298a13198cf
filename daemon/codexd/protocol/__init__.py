"""The protocol of the socket: Codex app-server v2 messages and two framings, all sans-IO."""
