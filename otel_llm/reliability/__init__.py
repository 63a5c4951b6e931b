"""What happens beside a call: rate limits, retries, fallbacks, response caches, circuit breakers.

One file for each library that reports them itself, and the calls by which a service reports its own.
"""
