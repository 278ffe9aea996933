"""Where and when species were recorded, as a prior of what a picture shows."""
