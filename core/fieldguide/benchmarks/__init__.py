"""Measures of quality: one file a protocol."""
