"""Public data sets of organisms, found in their owners' layouts and measured."""
