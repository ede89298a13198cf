"""What is known of models and providers: limits, prices, tuning, and the clients made for them."""
