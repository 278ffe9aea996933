"""What the remote sensing plugin offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.hookspecs import hookimpl
from fieldguide.specs import (
    BenchmarkSpec,
    CaptionConverterSpec,
    DomainSpec,
    LoaderSpec,
    ModalitySpec,
    OptionSpec,
    WriterSpec,
)
from fieldguide_remote_sensing.benchmarks.composed_offers import composed_benchmarks
from fieldguide_remote_sensing.benchmarks.offers import benchmark_specs
from fieldguide_remote_sensing.product_names import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable

api = 1

DOMAIN = "remote_sensing"
EXTRA = "remote-sensing"
CLASS_SETS = ("aid", "aid_rs5m", "bigearthnet_19", "eurosat", "eurosat_rs5m", "patternnet",
              "resisc45", "resisc45_rs5m", "rsscn7", "uc_merced")  # fmt: skip
RASTER_LOADERS = ("geotiff", "scene_folder", "stac_item")
"""What every modality of this domain reads scenes with; all take the same options."""
RASTER_OPTIONS = ("bands", "sensor", "offset", "aoi", "after", "before", "gsd")

RGB_SCENE = ModalitySpec(
    name="rgb_scene",
    summary="aerial or satellite scene in red, green and blue",
    loader=(*RASTER_LOADERS, "plain_scene", "image"),  # "image" reads what is in memory
    repairs=(
        "select_bands_by_name",
        "stretch_percentiles_2_98",
        "reflectance_to_display",
        "fill_nodata_with_mean",
        "sixteen_bit_to_eight_bit",
    ),
    templates=(
        "an aerial photo of {}.",
        "a satellite image of {}.",
        "an overhead view of {}.",
        "{} seen from above.",
        "a remote sensing image of {}.",
        "{}.",
    ),
    symmetries="all",
    extra=EXTRA,
)

MULTISPECTRAL_SCENE = RGB_SCENE.model_copy(
    update={
        "name": "multispectral_scene",
        "summary": "satellite scene with more bands than red, green and blue",
        "broader": RGB_SCENE.name,
        "repairs": (
            *RGB_SCENE.repairs,
            "reflectance_to_ranges",
            "fill_missing_bands_with_mean",
        ),
        "fits_by_suffix": False,
    }
)


@hookimpl
def register_domains() -> Iterable[DomainSpec]:
    """Offer the domain of satellite and aerial images."""
    yield DomainSpec(
        name=DOMAIN,
        summary="satellite and aerial images",
        modalities=(RGB_SCENE, MULTISPECTRAL_SCENE),
        options=(
            OptionSpec(
                name="bands",
                help="Names of all bands of the file, in order: red,green,blue,nir. For files "
                "that do not name their bands, or name them wrongly.",
            ),
            OptionSpec(
                name="sensor",
                help="Whose bands the file has, in the sensor's order where it does not name them: "
                "sentinel2_l2a, landsat_8, naip ..., or a file of your own, FILE.yaml.",
            ),
            OptionSpec(
                name="offset",
                type="number",
                help="What is added to a number of the sensor before it is scaled to reflectance: "
                "for Sentinel-2 0, or -1000 since processing baseline 04.00. Else as the product "
                "says.",
            ),
            OptionSpec(
                name="aoi",
                help="A GeoJSON file of polygons: only what lies inside is read of each scene.",
                of_queries=False,
            ),
            OptionSpec(
                name="after",
                help="Only scenes taken at this date (ISO 8601, UTC) or later: 2022-06-01.",
                of_queries=False,
            ),
            OptionSpec(
                name="before",
                help="Only scenes taken before this date: 2022-07-01.",
                of_queries=False,
            ),
            OptionSpec(
                name="gsd",
                type="number",
                help="Metres a pixel at which scenes are read; else their own.",
                of_queries=False,
            ),
        ),
        registry="fieldguide_remote_sensing:registry.yaml",
        class_sets=tuple(f"fieldguide_remote_sensing:prompts/{name}.yaml" for name in CLASS_SETS),
        demo="fieldguide_remote_sensing.demo:demo_sets",
        pair_words="fieldguide_remote_sensing:prompts/pairs.yaml",
        extra=EXTRA,
    )


@hookimpl
def register_loaders() -> Iterable[LoaderSpec]:
    """Offer the readers of georeferenced rasters and of scenes of several files."""
    target = "fieldguide_remote_sensing.geotiff:make_raster_loader"
    windows = "fieldguide_remote_sensing.windowed:open_windows"
    yield LoaderSpec(
        name="geotiff",
        summary="GeoTIFF, JPEG 2000 and local VRT, with band names, place and nodata",
        target=target,
        suffixes=(".tif", ".tiff", ".vrt", ".jp2"),
        options=RASTER_OPTIONS,
        windows=windows,
        extra=EXTRA,
    )
    yield LoaderSpec(
        name="scene_folder",
        summary="Sentinel-2 .SAFE folders; folders with the bands of one Landsat, HLS or "
        "Sentinel-2 scene",
        target=target,
        unit="folder",
        folder_suffixes=(".safe",),
        parts=PARTS,
        options=RASTER_OPTIONS,
        windows=windows,
        extra=EXTRA,
    )
    yield LoaderSpec(
        name="stac_item",
        summary="Local STAC Items whose assets are the bands of one scene",
        target=target,
        suffixes=(".json",),
        only_named=True,
        options=RASTER_OPTIONS,
        windows=windows,
        extra=EXTRA,
    )
    yield LoaderSpec(
        name="plain_scene",
        summary="Scenes as JPEG, PNG, WebP, BMP and GIF",
        target="fieldguide_remote_sensing.plain:PlainPictureLoader",
        suffixes=(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"),
        options=RASTER_OPTIONS,
        windows="fieldguide.data.image_windows:open_image_windows",
        extra=EXTRA,
    )


@hookimpl
def register_caption_converters() -> Iterable[CaptionConverterSpec]:
    """Offer captions from scene labels, from facts about a scene, and from its reflectance."""
    yield CaptionConverterSpec(
        name="scene_caption",
        summary="Sentences about a scene's label: an aerial photo of ...",
        target="fieldguide_remote_sensing.captions:scene_caption",
    )
    yield CaptionConverterSpec(
        name="facts_caption",
        summary="Date, season, place, resolution and clouds, as far as row or raster have them",
        target="fieldguide_remote_sensing.facts_caption:facts_caption",
        extra=EXTRA,
    )
    yield CaptionConverterSpec(
        name="spectral_caption",
        summary="Vegetation, water, snow and built-up land by indices of a raster's reflectance",
        target="fieldguide_remote_sensing.spectral_captions:spectral_caption",
        options=("seed", "per_image"),
        extra=EXTRA,
    )


@hookimpl
def register_writers() -> Iterable[WriterSpec]:
    """Offer files that geographic software opens."""
    yield WriterSpec(
        name="geojson",
        summary="GeoJSON in EPSG:4326 (RFC 7946): where regions, matches and scenes lie",
        target="fieldguide_remote_sensing.vector_files:write_geojson",
        suffixes=(".geojson",),
        results=("regions", "matches", "predictions"),
        domain=DOMAIN,
        extra=EXTRA,
    )
    yield WriterSpec(
        name="geoparquet",
        summary="GeoParquet 1.1: where regions and matches lie",
        target="fieldguide_remote_sensing.vector_files:write_geoparquet",
        suffixes=(".parquet", ".geoparquet"),
        results=("regions", "matches"),
        domain=DOMAIN,
        extra=EXTRA,
    )
    yield WriterSpec(
        name="heat_map",
        summary="Cloud-optimised GeoTIFF of a text search's scores, on the raster's grid",
        target="fieldguide_remote_sensing.heat_file:write_heat_map",
        suffixes=(".tif", ".tiff"),
        results=("regions",),
        domain=DOMAIN,
        extra=EXTRA,
    )


@hookimpl
def register_benchmarks() -> Iterable[BenchmarkSpec]:
    """Offer protocols on public data sets."""
    yield from benchmark_specs()
    yield from composed_benchmarks()
