"""What is noted of an exchange with a provider, for telemetry."""
