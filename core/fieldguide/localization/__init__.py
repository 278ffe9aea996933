"""Where in a large raster, slide or volume something is: text search inside one source."""
