"""Records of a thread as the values that are sent: log events, spans and measurements. Pure."""
