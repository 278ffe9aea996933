"""Trees of taxa: of species, of tumours, of land cover; ragged, and as large as they come."""
