"""Captions from reflectance: what covers a scene, and how much of it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio.windows
from pydantic import Field

from fieldguide.captions.caption import Caption
from fieldguide.data.files import utf8_text
from fieldguide.data.manifest_windows import window_id, window_of
from fieldguide.errors import ContractError, UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Name, Record
from fieldguide_remote_sensing.geotiff import GeoTiffLoader
from fieldguide_remote_sensing.spectral_index import (
    band_of,
    missing_bands,
    require_reflectance,
    spectral_index,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldguide.samples import Sample, Window

FILE = Path(__file__).parent / "prompts" / "spectral_covers.yaml"
NEAR_INFRARED = "nir"
"""The one band that a condition may name in place of an index."""


class Condition(Record):
    """A range of an index or of the near infrared: ``least`` is inside, ``below`` is not."""

    of: str
    least: float = -np.inf
    below: float = np.inf


class Cover(Record):
    """What a pixel is taken for where all conditions hold."""

    id: Name
    name: str
    conditions: tuple[Condition, ...] = Field(min_length=1)
    source: str


class Share(Record):
    """How a share of the scene is said, from ``least`` to the next one."""

    least: float = Field(ge=0, le=1)
    words: str


class Sentence(Record):
    """A sentence with places for a cover and a share."""

    id: Name
    text: str


class SpectralCovers(Record):
    """Covers, shares and sentences; see ``prompts/spectral_covers.yaml``."""

    version: str
    licence: str
    source: str
    covers: tuple[Cover, ...]
    shares: tuple[Share, ...]
    mostly_from: float
    sentences: tuple[Sentence, ...]
    mostly: tuple[Sentence, ...]

    def words(self, share: float) -> str | None:
        """Return how a share is said, or None where it is too small to be said."""
        fitting = [step.words for step in self.shares if step.least <= share]
        return fitting[-1] if fitting else None


@dataclass(frozen=True, slots=True)
class CoverSaid:
    """What a caption says: the id of a cover, and the range of its share, 0 to 1."""

    cover: str
    least: float
    below: float


@functools.cache
def spectral_covers() -> SpectralCovers:
    """Return the covers that come with the plugin."""
    return SpectralCovers(**load_yaml(FILE))


def cover_shares(sample: Sample) -> dict[str, float]:
    """Return the share of valid pixels of each cover whose bands are there, by its id.

    Raises:
        ContractError: the sample is not in reflectance, or has no valid pixel.
    """
    require_reflectance(sample)
    known = np.isfinite(sample.array).all(axis=-1)
    if sample.valid is not None:
        known &= sample.valid
    if not known.any():
        raise ContractError("it has no pixel with data. Leave it out.")
    shares: dict[str, float] = {}
    for cover in spectral_covers().covers:
        indices = [each.of for each in cover.conditions if each.of != NEAR_INFRARED]
        if any(missing_bands(sample, index) for index in indices):
            continue
        values = [(each, _values(sample, each.of)) for each in cover.conditions]
        inside = [(v >= each.least) & (v < each.below) for each, v in values]  # not where NaN
        shares[cover.id] = float(np.logical_and.reduce([known, *inside]).sum() / known.sum())
    return shares


def spectral_caption(
    record: Mapping[str, Any], *, seed: int = 0, per_image: int | None = None
) -> tuple[Caption, ...]:
    """Return a sentence about each cover of a raster that is large enough to be said.

    Args:
        record: a row with the ``path`` of a raster, and maybe ``bands``, ``sensor`` and ``offset``
            as the options of these names, and the columns of a window of it.
        seed: of the choice of sentences.
        per_image: how many at most, the largest covers first; by default all.

    Raises:
        LoadError: the raster cannot be read.
        ContractError: it is not in reflectance, or has none of the bands.
    """
    if not record.get("path"):
        raise ContractError("its row names no raster. Fill its path column.")
    path, window = Path(str(record["path"])), window_of(record)
    shares = cover_shares(_sample(_loader(record), path, window))
    name = path.name if window is None else window_id(path.name, window)
    if not shares:
        raise ContractError("it has no band for any index: red, green, nir or swir16 is missing.")
    return describe_shares(shares, Random(utf8_text(f"{seed}|{name}")))[:per_image]


def describe_shares(shares: Mapping[str, float], chance: Random) -> tuple[Caption, ...]:
    """Return a sentence about each cover, the largest first.

    Args:
        shares: 0 to 1, by the id of the cover.
        chance: decides the sentences.
    """
    known = spectral_covers()
    names = {cover.id: cover.name for cover in known.covers}
    captions: list[Caption] = []
    for cover, share in sorted(shares.items(), key=lambda item: (-item[1], item[0])):
        words = known.words(share)
        if words is None:
            continue
        group = known.sentences + (known.mostly if share >= known.mostly_from else ())
        sentence = chance.choice(group)
        text = _fill(sentence.text, names[cover], words)
        captions.append(Caption(text, f"spectral_covers/{known.version}:{sentence.id}"))
    return tuple(captions)


def read_spectral_caption(caption: str) -> CoverSaid:
    """Return what a caption of :func:`spectral_caption` says.

    Raises:
        UsageError: it is none of them.
    """
    known = spectral_covers()
    ends = [*(step.least for step in known.shares[1:]), np.inf]
    ranges = {step.words: (step.least, end) for step, end in zip(known.shares, ends, strict=True)}
    ranges[""] = (known.mostly_from, np.inf)
    for sentence in (*known.sentences, *known.mostly):
        for cover in known.covers:
            for words, (least, below) in ranges.items():
                if _fill(sentence.text, cover.name, words) == caption and (
                    bool(words) == ("{share}" in sentence.text)
                ):
                    return CoverSaid(cover.id, least, below)
    raise UsageError(f"{caption!r} is no caption of covers.")


def _sample(loader: GeoTiffLoader, path: Path, window: Window | None) -> Sample:
    if window is None:
        return loader(path)
    (row, column), (height, width) = window.start_px, window.size_px
    with loader.open(path) as raster:
        if row + height > raster.dataset.height or column + width > raster.dataset.width:
            raise ContractError("its window is not inside the raster. Correct the row.")
        return raster.read(rasterio.windows.Window(column, row, width, height))


def _loader(record: Mapping[str, Any]) -> GeoTiffLoader:
    """Return the reader that the columns of a row describe."""
    bands, sensor, offset = (record.get(name) for name in ("bands", "sensor", "offset"))
    if offset is not None and not isinstance(offset, int | float):
        raise ContractError(f"its offset is {offset!r}, no number. Correct it.")
    return GeoTiffLoader(
        bands=None if bands is None else str(bands),
        sensor=None if sensor is None else str(sensor),
        offset=None if offset is None else float(offset),
    )


def _fill(text: str, cover: str, share: str) -> str:
    text = text.replace("{cover}", cover).replace("{share}", share)
    return re.sub(r"\{Cover\}", cover[:1].upper() + cover[1:], text)


def _values(sample: Sample, of: str) -> NDArray[np.floating]:
    """Return an index or the near infrared of every pixel."""
    return band_of(sample, "N", of) if of == NEAR_INFRARED else spectral_index(sample, of)
