"""Small scenes in the layouts in which agencies deliver them; values are known everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAFE_NAME = "S2A_MSIL2A_20220711T101559_N0400_R065_T32TQM_20220711T162958.SAFE"
TILE, MOMENT = "T32TQM", "20220711T101559"
SIDE_M = 1200
PIXELS_M = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B05": 20, "B06": 20, "B07": 20,
            "B8A": 20, "B11": 20, "B12": 20, "B01": 60, "B09": 60, "B10": 60}  # fmt: skip


def _write_band(
    path: Path, pixel_m: float, value: float | np.ndarray[Any, Any], **options: Any
) -> Path:
    """Write one band of 1200 x 1200 m in UTM zone 32 north; lossless."""
    side_px = round(SIDE_M / pixel_m)
    grid = Affine(pixel_m, 0, 600_000, 0, -pixel_m, 5_100_000)
    driver = "JP2OpenJPEG" if path.suffix == ".jp2" else "GTiff"
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver == "JP2OpenJPEG" else {}
    profile = {"driver": driver, "height": side_px, "width": side_px, "count": 1,
               "dtype": "uint16", "crs": "EPSG:32632", "transform": grid, **lossless}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **{**profile, **options}) as target:
        shape = (target.height, target.width)
        target.write(np.broadcast_to(np.asarray(value, target.dtypes[0]), shape), 1)
    return path


def metadata_xml(level: str, offset: float = -1000) -> str:
    """Return what a reader asks of MTD_MSIL1C.xml or MTD_MSIL2A.xml, as ESA writes it."""
    kind = {"L2A": "BOA", "L1C": "RADIO"}[level]
    value = {"L2A": "BOA_QUANTIFICATION_VALUE", "L1C": "QUANTIFICATION_VALUE"}[level]
    offsets = "".join(
        f'<{kind}_ADD_OFFSET band_id="{n}">{offset:.0f}</{kind}_ADD_OFFSET>' for n in range(13)
    )
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>2022-07-11T10:15:59.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{SAFE_NAME}</PRODUCT_URI><PROCESSING_BASELINE>04.00</PROCESSING_BASELINE>
<Datatake datatakeIdentifier="GS2A"><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
<DATATAKE_SENSING_START>2022-07-11T10:15:59.024Z</DATATAKE_SENSING_START></Datatake>
</Product_Info><Product_Image_Characteristics><Special_Values>
<SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
</Special_Values><QUANTIFICATION_VALUES_LIST><{value} unit="none">10000</{value}>
</QUANTIFICATION_VALUES_LIST><Offset_List>{offsets}</Offset_List>
</Product_Image_Characteristics></n1:General_Info><n1:Quality_Indicators_Info>
<Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>"""


@pytest.fixture
def write_band() -> Callable[..., Path]:
    """Write one band of 1200 x 1200 m: (path, pixel_m, value or values, **profile)."""
    return _write_band


@pytest.fixture
def make_safe() -> Callable[..., Path]:
    """Write a product whose band number n holds 1000 * (n + 1), and 0 in a corner of 60 m."""

    def make(parent: Path, level: str = "L2A", offset: float = -1000) -> Path:
        safe = parent / SAFE_NAME.replace("L2A", level)
        images = safe / f"GRANULE/{level}_{TILE}_A036803_20220711T102359/IMG_DATA"
        for number, (band, pixel_m) in enumerate(sorted(PIXELS_M.items())):
            if level == "L1C":
                names = {pixel_m: f"{TILE}_{MOMENT}_{band}.jp2"}
            elif band == "B10":
                continue
            else:
                coarser = [p for p in (10, 20, 60) if p >= pixel_m]
                names = {p: f"R{p}m/{TILE}_{MOMENT}_{band}_{p}m.jp2" for p in coarser}
            for finest, name in names.items():
                value = np.full((SIDE_M // finest,) * 2, 1000 * (number + 1))
                value[: 60 // finest, : 60 // finest] = 0
                _write_band(images / name, finest, value)
        (safe / f"MTD_MSI{level}.xml").write_text(metadata_xml(level, offset))
        return safe

    return make


@pytest.fixture
def make_landsat() -> Callable[..., Path]:
    """Write a folder of Landsat 8, Level 2, as its files come: band n holds 9000 + 1000 * n."""

    def make(folder: Path, scene: str = "LC08_L2SP_195028_20200101_20200113_02_T1") -> Path:
        for number in range(1, 8):
            _write_band(folder / f"{scene}_SR_B{number}.TIF", 30, 9000 + 1000 * number, nodata=0)
        _write_band(folder / f"{scene}_QA_PIXEL.TIF", 30, 21824)
        factors = "".join(
            f"    REFLECTANCE_MULT_BAND_{n} = 2.75e-05\n    REFLECTANCE_ADD_BAND_{n} = -0.2\n"
            for n in range(1, 8)
        )
        other = factors.replace("2.75e-05", "2.0000E-05").replace("-0.2", "-0.100000")
        (folder / f"{scene}_MTL.txt").write_text(
            "GROUP = LANDSAT_METADATA_FILE\n  GROUP = IMAGE_ATTRIBUTES\n"
            '    SPACECRAFT_ID = "LANDSAT_8"\n    DATE_ACQUIRED = 2020-01-01\n'
            '    SCENE_CENTER_TIME = "10:04:05.1234560Z"\n    CLOUD_COVER = 7.25\n'
            "    SUN_ELEVATION = 30.0\n  END_GROUP = IMAGE_ATTRIBUTES\n"
            f"  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS\n{factors}"
            "  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS\n"
            f"  GROUP = LEVEL1_RADIOMETRIC_RESCALING\n{other}"
            "  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING\n"
            "END_GROUP = LANDSAT_METADATA_FILE\nEND\n"
        )
        return folder

    return make
