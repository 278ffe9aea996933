"""Public data sets of remote sensing: one file a set; each says its layout, size and traps."""
