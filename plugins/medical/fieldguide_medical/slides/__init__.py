"""Whole slides: files that are read window by window, with microns per pixel and tissue."""
