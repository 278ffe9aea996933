"""Frames of a thermal camera for fieldguide: an example of a complete plugin."""
