"""Ways to run an image tower: torch itself, and converters to other runtimes."""
