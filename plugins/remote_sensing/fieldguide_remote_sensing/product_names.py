"""Which files lie beside each other as one scene, by their names. Imports nothing."""

PARTS = (
    # Bands, masks, angles and previews of Landsat, HLS and Sentinel-2 that lie beside each other.
    r"l[ceto]0[45789]_l[12][a-z]{2}_\d{6}_\d{8}_\d{8}_\d\d_[a-z0-9]{2}_"
    r"(?:s[rt]_|qa|b\d|vaa|vza|saa|sza|thumb|refl|tir).*\.(?:tiff?|jpe?g|png)"
    r"|hls\.[sl]30\.t\w{5}\.\d{7}t\d{6}\.v\d\.\d\.\w+\.(?:tiff?|jpg)"
    r"|(?:l2a_)?t?\d\d[a-z]{3}_\d{8}t\d{6}_(?:b\d\w|aot|scl|tci|wvp)(?:_[126]0m)?\.(?:jp2|tiff?)"
)
"""Names, in lower case, of files that are one item together with the others of their folder."""
