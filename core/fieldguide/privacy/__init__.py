"""Names of files that may name people: salted ids in their place, and the map aside."""
