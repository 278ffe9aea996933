"""The medical plugin of fieldguide: CT volumes and stained histology tiles.

For research on images. Nothing in it diagnoses, and none of its figures is a clinical claim.
"""
