"""Commands of the biodiversity domain, one file for each group of them."""
