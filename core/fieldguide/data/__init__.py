"""Inputs, loaders of plain images, the loading pipeline and the stores of vectors."""
