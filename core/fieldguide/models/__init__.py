"""Encoders and towers, one file an architecture."""
