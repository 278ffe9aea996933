"""Remote sensing for fieldguide: georeferenced rasters, prompts and models of aerial scenes."""
