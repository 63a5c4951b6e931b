"""What every room may use: the words, the catalogue of metrics, settings, and where our errors stop."""
