"""Indexes of vectors and search in them."""
