"""Image-text pairs of a domain out of general ones."""
