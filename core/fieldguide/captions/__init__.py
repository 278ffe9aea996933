"""Captions from labels, metadata and reports. A converter depends on nothing but its record."""
