"""fieldguide for living things: photographs of organisms, underwater fish, taxonomic labels."""
