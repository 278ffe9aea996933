"""Captions from what is known of a scene: date, season, place, resolution and clouds.

A fact that is missing is left out; nothing is looked up and nothing is guessed. A name of a place
is said only where the row has it.
"""

from __future__ import annotations

import calendar
import functools
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.captions.caption import Caption
from fieldguide.captions.seasons import season_of
from fieldguide.errors import ContractError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record
from fieldguide_remote_sensing.file_facts import file_facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE = Path(__file__).parent / "prompts" / "scene_facts.yaml"
DATES = ("captured_at", "datetime", "date")
DISTANCES = ("ground_sample_distance_m", "gsd_m", "gsd")
CLOUDS = ("cloud_percent", "cloud_cover", "eo:cloud_cover")
LATITUDES = ("latitude", "lat", "latitude_deg")
PLACES = (("near", "place"), ("in", "region"), ("in", "country"))
"""Columns of names, and the word before each."""

_DATE = re.compile(r"(\d{4})(?:[-:/](\d{2})(?:[-:/]\d{2}(?:[T ].*)?)?)?")


class Step(Record):
    """How numbers from ``least`` to the next step are said."""

    least: float
    words: str


class SceneFacts(Record):
    """Steps and sentences; see ``prompts/scene_facts.yaml``."""

    version: str
    licence: str
    source: str
    resolution_m: tuple[Step, ...]
    cloud_percent: tuple[Step, ...]
    sentences: dict[str, str]


@functools.cache
def scene_facts() -> SceneFacts:
    """Return the words that come with the plugin."""
    return SceneFacts(**load_yaml(FILE))


def facts_caption(record: Mapping[str, Any]) -> tuple[Caption, ...]:
    """Return one sentence with all facts of a scene, then one about each.

    Args:
        record: a row with any of ``captured_at``, ``datetime`` or ``date`` (ISO 8601), ``latitude``
            or ``south_deg`` and ``north_deg`` (for the season), ``place``, ``region`` and
            ``country`` (names), ``gsd_m`` (metres per pixel) and ``cloud_cover`` (percent). What a
            raster at its ``path`` says of itself counts where the row says nothing.

    Raises:
        LoadError: the raster cannot be read.
        ContractError: a fact cannot be: a month 13, a latitude of 100, clouds of 200 percent.

    >>> facts_caption({"date": "2021-07-30", "latitude": -35, "gsd_m": 10, "country": "Chile"})[0]
    'A high resolution image (10 m per pixel) in Chile, taken in July 2021, in winter.'
    """
    known = scene_facts()
    facts = _facts(_with_file(record), known)
    if not facts:
        return ()
    single = [
        Caption(_fill(known.sentences[name], facts), f"scene_facts/{known.version}:{name}")
        for name, needed in (("date", "date"), ("season", "season"), ("place", "place"),
                             ("resolution", "resolution"), ("clouds", "clouds"))
        if needed in facts
    ]  # fmt: skip
    whole = Caption(_whole(facts), f"scene_facts/{known.version}:all")
    return (whole, *single)


def _with_file(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row with what its raster says of itself; the row's own facts win."""
    if record.get("path") in (None, ""):
        return record
    facts = file_facts(Path(str(record["path"])))
    if _first(record, DATES) is not None:
        facts.pop("captured_at", None)
    if _first(record, DISTANCES) is not None:
        facts.pop("ground_sample_distance_m", None)
    return facts | {k: v for k, v in record.items() if v not in (None, "")}


def _facts(record: Mapping[str, Any], known: SceneFacts) -> dict[str, str]:
    """Return what can be said, by name."""
    facts: dict[str, str] = {}
    month = None
    if (date := _first(record, DATES)) is not None:
        year, month = _year_and_month(date)
        facts["date"] = str(year) if month is None else f"{calendar.month_name[month]} {year}"
    latitude = _latitude(record)
    if month is not None and latitude is not None and (season := season_of(month, latitude)):
        facts["season"] = season
    names = [f"{word} {_name(record[c])}" for word, c in PLACES if _first(record, (c,)) is not None]
    if names:
        facts["place"] = ", ".join(names)
    if (distance := _number(record, DISTANCES, 1e-3, 1e6)) is not None:
        facts["resolution"] = _words(known.resolution_m, distance)
        facts["distance"] = f"{float(f'{distance:.2g}'):g} m"
    if (clouds := _number(record, CLOUDS, 0, 100)) is not None:
        facts["clouds"] = _words(known.cloud_percent, clouds)
    return facts


def _whole(facts: Mapping[str, str]) -> str:
    parts = ["An image"]
    if "resolution" in facts:
        parts = [f"A {facts['resolution']} image ({facts['distance']} per pixel)"]
    if "clouds" in facts:
        parts[0] += f" with {facts['clouds']}"
    if "place" in facts:
        parts[0] += f" {facts['place']}"
    if "date" in facts:
        parts.append(f"taken in {facts['date']}")
    if "season" in facts:
        parts.append(f"in {facts['season']}")
    return ", ".join(parts) + "."


def _fill(sentence: str, facts: Mapping[str, str]) -> str:
    for name, words in facts.items():
        sentence = sentence.replace(f"{{{name}}}", words)
    return sentence


def _words(steps: Sequence[Step], value: float) -> str:
    return [step.words for step in steps if step.least <= value][-1]


def _first(record: Mapping[str, Any], columns: Sequence[str]) -> Any:
    return next((record[c] for c in columns if record.get(c) not in (None, "")), None)


def _name(value: Any) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    if not isinstance(value, str) or not text:
        raise ContractError(f"its name of a place is {value!r}, no text. Correct it.")
    return text


def _number(
    record: Mapping[str, Any], columns: Sequence[str], least: float, most: float
) -> float | None:
    value = _first(record, columns)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise ContractError(
            f"its {next(c for c in columns if record.get(c) not in (None, ''))} is {value!r}, not "
            f"a number from {least:g} to {most:g}. Correct it."
        )
    return float(value)


def _latitude(record: Mapping[str, Any]) -> float | None:
    """Return the latitude in degrees, of the middle where only bounds are known."""
    if (own := _number(record, LATITUDES, -90, 90)) is not None:
        return own
    south = _number(record, ("south_deg",), -90, 90)
    north = _number(record, ("north_deg",), -90, 90)
    return None if south is None or north is None else math.fsum((south, north)) / 2


def _year_and_month(value: Any) -> tuple[int, int | None]:
    found = _DATE.fullmatch(str(value).strip())
    year, month = (found[1], found[2]) if found else (None, None)
    if year is None or not 1 <= int(month or 1) <= len(calendar.month_name) - 1:
        raise ContractError(f"its date is {value!r}. Write it as 2021-07-30.")
    return int(year), None if month is None else int(month)
