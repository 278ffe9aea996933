"""Local STAC Items: a JSON file whose assets are the bands of one scene.

Read are STAC 1.0 with the eo and raster extensions (``eo:bands``, ``raster:bands``) and STAC 1.1
(``bands``): https://github.com/radiantearth/stac-spec. Assets on the network are left out, and
nothing is downloaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists
from fieldguide.errors import ContractError, LoadError
from fieldguide_remote_sensing.bands import common_names
from fieldguide_remote_sensing.moments import imagery_moment
from fieldguide_remote_sensing.scene_paths import finite, is_address, local_file, read_text
from fieldguide_remote_sensing.scene_vrt import BandFile, SceneParts
from fieldguide_remote_sensing.stac_sensor import sensor_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

RASTER_SUFFIXES = (".tif", ".tiff", ".jp2")
PICTURES = frozenset({"visual", "overview", "thumbnail"})
"""Roles of assets that show other assets."""


@dataclass(frozen=True, slots=True)
class _Asset:
    """One local asset that names its bands."""

    path: Path
    bands: Sequence[Mapping[str, Any]]
    facts: Sequence[Mapping[str, Any]]
    whole: Mapping[str, Any]

    @property
    def pixel_m(self) -> float:
        """Size of its pixels where it is said, else far more than any."""
        return _number(self.whole.get("gsd")) or 1e9


def read_stac_item(path: Path) -> SceneParts:
    """Find the local bands of a STAC Item, each once, in the finest asset that has it.

    Args:
        path: absolute; assets have to lie in its folder or below.

    Raises:
        LoadError: it is no JSON or its files are missing.
        ContractError: it is no STAC Item, names no bands, or they lie elsewhere.
    """
    item = _item(path)
    properties = item["properties"]
    here, elsewhere = _local_assets(path.parent, item["assets"])
    if not here:
        raise _nothing_here(elsewhere)
    applied = properties.get("earthsearch:boa_offset_applied") is True
    bands = tuple(_bands(sorted(here, key=lambda a: (len(a.bands) > 1, a.pixel_m)), applied))
    moment = imagery_moment(
        str(properties.get("datetime") or properties.get("start_datetime") or "")
    )
    imagery = {} if moment is None else {"ACQUISITIONDATETIME": moment}
    cloud = _number(properties.get("eo:cloud_cover"))
    if cloud is not None and 0 <= cloud <= 100:
        imagery["CLOUDCOVER"] = f"{cloud:g}"
    return SceneParts(bands, {} if applied else sensor_tags(item), imagery)


def _item(path: Path) -> dict[str, Any]:
    try:
        item = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise LoadError(f"it is not JSON: {error}. Export the STAC Item again.") from error
    if not isinstance(item, dict) or "stac_version" not in item:
        raise ContractError("it is no STAC Item. Name the rasters themselves.")
    if item.get("type") != "Feature":
        raise ContractError(
            f"it is a STAC {str(item.get('type'))[:40]} and not an Item. Name one of its Items, or "
            "all: '**/*.json'"
        )
    for key in ("assets", "properties"):
        if not isinstance(item.get(key), dict):
            raise ContractError(f"its {key!r} is not an object, as in a STAC Item. Correct it.")
    return item


def _local_assets(folder: Path, assets: Mapping[str, Any]) -> tuple[list[_Asset], list[str]]:
    """Return the assets with bands that are here, and the addresses or names of the others."""
    here, elsewhere = [], []
    for key, asset in assets.items():
        bands = _listed(asset, "bands") or _listed(asset, "eo:bands")
        if not bands or not PICTURES.isdisjoint([key, *_roles(asset)]):
            continue
        href = str(asset.get("href") or "")
        if is_address(href):
            elsewhere.append(href)
            continue
        path = local_file(folder, href, f"its asset {key[:40]!r}")
        if path.suffix.lower() not in RASTER_SUFFIXES:
            continue
        if exists(path):
            facts = _listed(asset, "bands") or _listed(asset, "raster:bands")
            here.append(_Asset(path, bands, facts, asset))
        else:
            elsewhere.append(href)
    return here, elsewhere


def _listed(asset: Any, key: str) -> list[Mapping[str, Any]]:
    value = asset.get(key) if isinstance(asset, dict) else None
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _roles(asset: Mapping[str, Any]) -> list[str]:
    roles = asset.get("roles")
    return [str(role) for role in roles] if isinstance(roles, list) else []


def _nothing_here(elsewhere: Sequence[str]) -> Exception:
    if not elsewhere:
        return ContractError(
            "none of its assets is a GeoTIFF or JPEG 2000 that names its bands. Name the rasters "
            "themselves."
        )
    if is_address(elsewhere[0]):
        return ContractError(
            f"its bands are not on this machine ({elsewhere[0][:80]}), and nothing is downloaded. "
            "Fetch them yourself, put them beside the item and write their relative paths into it."
        )
    return LoadError(f"its file {elsewhere[0][:80]} is missing. Put it where the item names it.")


def _bands(assets: Sequence[_Asset], applied: bool) -> Iterator[BandFile]:
    """Yield each band once; earlier assets win."""
    own = [(asset, place) for asset in assets for place in range(len(asset.bands))]
    names = _names([asset.bands[place] for asset, place in own])
    seen: set[str] = set()
    for (asset, place), name in zip(own, names, strict=True):
        if name in seen:
            continue
        seen.add(name)
        facts = asset.facts[place] if place < len(asset.facts) else {}
        facts = {**asset.whole, **facts}
        scale = _number(facts.get("raster:scale", facts.get("scale")))
        offset = _number(facts.get("raster:offset", facts.get("offset")))
        yield BandFile(
            name,
            asset.path,
            place + 1,
            scale,
            0.0 if applied and scale is not None else offset,
            _number(facts.get("nodata")),
            alone=len(asset.bands) == 1,
        )


def _names(bands: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the common name of each band; its own where several bands share a common name."""
    own = [str(band.get("name") or "")[:40].strip() for band in bands]
    common = [str(band.get("eo:common_name") or band.get("common_name") or "")[:40].strip() for
              band in bands]  # fmt: skip
    shared = {
        name
        for name in common
        if len({mine for mine, theirs in zip(own, common, strict=True) if theirs == name}) > 1
    }
    given = [name for name in own if name]
    translated, unclear = common_names(given) if given else ((), False)
    by_own = dict(zip(given, given if unclear else translated, strict=True))
    return [
        theirs.lower() if theirs and theirs not in shared else by_own.get(mine, f"band_{place}")
        for place, (mine, theirs) in enumerate(zip(own, common, strict=True), start=1)
    ]


def _number(value: Any) -> float | None:
    try:
        return finite(value)
    except ValueError:
        return None
