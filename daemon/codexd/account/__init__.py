"""Who pays: the login of the person, its tokens, and the rate limits of the account."""
