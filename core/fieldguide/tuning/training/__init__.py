"""The loop of a training, and what it reads, keeps, checks and reports."""
