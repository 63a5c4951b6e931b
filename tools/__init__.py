"""What maintainers run in a clone: nothing of it is in the package."""
