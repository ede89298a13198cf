"""Events of threads as OpenTelemetry's logs, spans and metrics, sent to a collector from a position in the log."""
