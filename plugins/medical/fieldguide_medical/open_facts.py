"""Facts of medical files that may stand in results: geometry and numbers of the picture.

Everything else that a reader may find (dates, names, identifiers, places, free text) stays out of
rows, indexes and records. A new reader adds the names of its facts here; each must be a number, a
tuple of numbers, or a word out of a fixed list.
"""

from __future__ import annotations

OPEN_FACTS = (
    # where a window lies
    "geometry", "x_mm", "y_mm", "z_mm", "slice_first", "slice_last",
    "row_px", "column_px", "width_px", "height_px", "x_um", "y_um", "width_um", "height_um",
    "x_vox", "y_vox", "z_vox", "x_size_vox", "y_size_vox", "z_size_vox",
    # size and scale
    "affine", "microns_per_pixel", "mpp", "orientation_of_file", "pixel_size_m", "shape",
    "slice_count", "spacing_mm", "magnification", "level_count",
    # of the values
    "bits_stored", "photometric_interpretation", "fraction_below_minus_200", "hu_max", "hu_min",
    "range_shown", "view_from", "view_position", "window_center", "window_width", "windows_in_file",
    "tissue_fraction",
    # of the slices of a series
    "slices_of_file", "gantry_tilt_deg",
    # words out of a fixed list; see descriptions.py
    "series_description",
)  # fmt: skip
