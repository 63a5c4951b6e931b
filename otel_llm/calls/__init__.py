"""The life of a call, written once for all client libraries."""
