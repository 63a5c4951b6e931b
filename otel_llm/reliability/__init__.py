"""What happens beside a call: rate limits, retries, fallbacks, response caches, circuit breakers.

One file for each library that tells of them by itself, and the calls by which a service tells of its own.
"""
