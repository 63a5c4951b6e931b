"""What the demo plays: a storyline, providers that follow it, and a service that lives through it."""
