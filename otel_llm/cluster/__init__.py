"""Many processes, one store."""
