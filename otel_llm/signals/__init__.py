"""What happens beside a call: rate limits, retries, fallbacks, response caches, circuit breakers."""
