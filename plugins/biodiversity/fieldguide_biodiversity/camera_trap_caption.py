"""Captions from what a camera trap's record says: animals, their number, light and season.

A fact that is missing is left out. Whether it was night is said only where place and time tell;
with the time alone the hour is said. The season needs a latitude outside the tropics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.captions.caption import Caption
from fieldguide.captions.nouns import Noun, nouns_of
from fieldguide.captions.numbers import WORDS
from fieldguide.captions.seasons import season_of
from fieldguide.errors import ContractError
from fieldguide_biodiversity.camera_trap_record import Sighting, TrapRecord, trap_record
from fieldguide_biodiversity.camera_trap_words import CameraTrapWords, camera_trap_words
from fieldguide_biodiversity.daylight import light_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def camera_trap_caption(record: Mapping[str, Any]) -> tuple[Caption, ...]:
    """Return a caption with all that is known, then one of the animals alone.

    Args:
        record: see ``camera_trap_record.trap_record``.

    Raises:
        ContractError: it names no animal, says both "empty" and a species, or a value cannot be.

    >>> camera_trap_caption({"species": "red deer", "count": 2, "latitude": 51.5,
    ...                      "longitude": -0.1, "DateTime": "2026-01-05 23:30:00"})[0]
    'a camera-trap photo of two red deer at night in winter.'
    >>> camera_trap_caption({"species": "empty", "DateTime": "2026-01-05 23:30:00"})[0]
    'a camera-trap photo with no animal at 23:30.'
    """
    words = camera_trap_words()
    found = trap_record(record)
    template, about = _what(found, words)
    when = "".join(f" {part}" for part in (_light(found, words), _season(found)) if part)
    name = f"camera_traps/{words.version}:{template}"
    texts = dict.fromkeys((f"{about}{when}.", f"{about}."))
    return tuple(Caption(text, name) for text in texts)


def _what(found: TrapRecord, words: CameraTrapWords) -> tuple[str, str]:
    """Return the name of the sentence, and what it says without its end."""
    empty = [words.is_empty(each.name) for each in found.sightings]
    if any(empty) and not all(empty):
        seen = next(each.name for each in found.sightings if not words.is_empty(each.name))
        raise ContractError(f"it is both empty and {seen!r}. Correct its annotations.")
    if all(empty) and found.sightings:
        if any(each.count for each in found.sightings):
            raise ContractError("it is empty, and has a count of animals. Correct one.")
        return "empty", words.empty
    said = listed(found.sightings, words)
    template = "sequence" if found.of_sequence else "animals"
    return template, getattr(words, template).replace("{animals}", said)


def listed(sightings: Iterable[Sighting], words: CameraTrapWords) -> str:
    """Return "two red deer and one fox"; a name alone where nobody counted.

    Raises:
        ContractError: there is none, one is counted as 0, or two names read alike.
    """
    counts = _together(sightings)
    known = [name for name in counts if not words.is_unidentified(name)]
    nouns = nouns_of([name for name in known if not counts[name].latin])
    parts = []
    for name, each in counts.items():
        if each.count == 0:
            raise ContractError(f"it has 0 of {name!r}. A picture without animals is 'empty'.")
        if words.is_unidentified(name):
            parts.append(words.unidentified)
            continue
        noun = nouns.get(name) or Noun(name, name)
        parts.append(noun.singular if each.count is None else
                     f"{in_words(each.count)} {noun.counted(each.count)}")  # fmt: skip
    if not parts:
        raise ContractError("it has no annotation. Annotate it, if only as 'empty'.")
    return _joined(list(dict.fromkeys(parts)))


def in_words(count: int) -> str:
    """Return a number in words up to ten, then in digits."""
    return WORDS[count - 1] if count <= len(WORDS) else str(count)


def _together(sightings: Iterable[Sighting]) -> dict[str, Sighting]:
    """Return one sighting a name: counts add up, and are not known where one is not."""
    found: dict[str, Sighting] = {}
    for each in sightings:
        before = found.get(each.name)
        if before is None:
            found[each.name] = each
            continue
        known = before.count is not None and each.count is not None
        total = (before.count or 0) + (each.count or 0) if known else None
        found[each.name] = Sighting(each.name, total, each.latin)
    return found


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _light(found: TrapRecord, words: CameraTrapWords) -> str:
    """Return "at night" where that is sure, the hour where only that is known, or ""."""
    if found.moment is None or not found.has_time:
        return ""
    light = None
    if found.latitude_deg is not None and found.longitude_deg is not None:
        light = light_at(found.moment, found.latitude_deg, found.longitude_deg)
    return f"at {found.moment:%H:%M}" if light is None else words.light[light]


def _season(found: TrapRecord) -> str:
    if found.moment is None or found.latitude_deg is None:
        return ""
    season = season_of(found.moment.month, found.latitude_deg)
    return "" if season is None else f"in {season}"
