"""What goes over the socket: the Codex app-server v2 messages and two framings, all sans-IO."""
