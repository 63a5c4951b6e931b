"""Where calls are shown as they happen: spans, instruments, captured messages, alerts, notifications."""
