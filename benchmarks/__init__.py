"""What watching costs, ours and that of others, measured side by side."""
