"""/metrics: collector, text, server, apps."""
