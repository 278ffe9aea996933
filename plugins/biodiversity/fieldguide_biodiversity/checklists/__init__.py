"""Reading taxonomies as they are published, into one kind of tree."""
