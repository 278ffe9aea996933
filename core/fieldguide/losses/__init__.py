"""Training objectives: one file a loss. A loss depends on torch only."""
