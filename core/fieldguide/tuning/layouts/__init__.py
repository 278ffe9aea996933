"""What is known of each family of towers: where its layers are and how it is cut into stages."""
