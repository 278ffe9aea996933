"""Protocols on public medical data sets."""
