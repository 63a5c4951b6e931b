"""The cases of every alert: numbers in, page out, and the same a little below the line."""
