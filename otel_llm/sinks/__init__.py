"""Where calls are shown as they happen: spans, and instruments of the host's own meter."""
