"""Methods of tuning: one file each, with its settings and what it trains."""
