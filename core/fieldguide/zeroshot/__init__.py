"""Classification by text, without training."""
