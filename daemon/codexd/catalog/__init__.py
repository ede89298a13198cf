"""Data on models and providers: limits, prices, tuning, and the clients of the providers."""
