"""Captions from masks of organs: which are visible, their volumes, and their mean density."""

from __future__ import annotations

import functools
import random
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from fieldguide.captions.caption import Caption
from fieldguide.captions.class_lists import read_class_list
from fieldguide.data.files import leads_out, utf8_text
from fieldguide.errors import ContractError, UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Name, Record
from fieldguide_medical.nifti import NiftiLoader
from fieldguide_medical.organ_masks import measure_organs, read_organ_mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide_medical.organ_masks import OrganMask, OrganMeasure

FILE = Path(__file__).parent / "prompts" / "organs.yaml"
MASK, LABELS = "mask", "mask_labels"
"""Columns that name the mask, and the table of its numbers."""
PER_IMAGE = 5
_WHOLE_FROM_ML = 10.0
"""Smaller volumes are said with one decimal."""


class Sentence(Record):
    """A sentence with places for organs and numbers."""

    id: Name
    text: str = Field(min_length=1)


class OrganWords(Record):
    """Names and sentences; see ``prompts/organs.yaml``."""

    version: str
    source: str
    licence: str
    least_voxels: int = Field(ge=1)
    most_organs: int = Field(ge=1)
    organs: dict[str, str] = Field(min_length=1)
    visible: tuple[Sentence, ...] = Field(min_length=1)
    volume: tuple[Sentence, ...] = Field(min_length=1)
    volume_cut: tuple[Sentence, ...] = Field(min_length=1)
    density: tuple[Sentence, ...] = Field(min_length=1)

    def write(self, sentence: Sentence, **words: str) -> Caption:
        """Return a sentence with its places filled."""
        text = sentence.text
        for name, word in words.items():
            text = text.replace(f"{{{name}}}", word)
        text = text[0].upper() + text[1:]
        return Caption(text, f"organs/{self.version}:{sentence.id}")


@functools.cache
def organ_words() -> OrganWords:
    """Return the names and sentences that come with the plugin."""
    return OrganWords(**load_yaml(FILE))


def organ_captions(
    record: Mapping[str, Any], *, seed: int = 0, per_image: int = PER_IMAGE
) -> tuple[Caption, ...]:
    """Return one caption on the organs that a CT shows, then some on single organs.

    Volumes are those of the mask's voxels; where an organ reaches the border of the image, its
    caption speaks of the part in the image. Numbers describe the mask, which may be wrong.

    Args:
        record: a row whose ``path`` is a CT and whose ``mask`` is a mask on the same grid, beside
            the manifest; or whose ``path`` is a mask, of which only volumes can be told. Numbers of
            the mask mean what the table in its header says, or a file of ``mask_labels``: a name a
            line from number 0, or YAML with ``names``.
        seed: the same seed and file give the same captions.
        per_image: how many at most, at least 1.

    Returns:
        None where the mask has no organ that is known.

    Raises:
        LoadError: a file cannot be read.
        ContractError: the mask is none, has no names or another grid than the CT.
    """
    words = organ_words()
    ct_path, mask_path = _paths(record)
    mask = read_organ_mask(mask_path)
    names = _names(record, mask, words)
    measures = _measure(mask, ct_path)
    known = [m for m in measures if m.label in names and m.voxels >= words.least_voxels]
    if not known:
        return ()
    identity = PurePath(str(record.get("path", ""))).name
    chance = random.Random(utf8_text(f"{seed}|organs|{identity}"))
    captions = [_visible(known, names, words, chance)]
    facts = [(each, density) for each in known for density in (False, True)
             if not density or each.mean_hu is not None]  # fmt: skip
    for measure, density in chance.sample(facts, min(len(facts), per_image - 1)):
        say = _density if density else _volume
        captions.append(say(measure, names[measure.label], words, chance))
    return tuple(captions)


def _visible(
    known: Sequence[OrganMeasure],
    names: Mapping[int, str],
    words: OrganWords,
    chance: random.Random,
) -> Caption:
    chosen = set(chance.sample(range(len(known)), min(len(known), words.most_organs)))
    said = [f"the {names[each.label]}" for place, each in enumerate(known) if place in chosen]
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return words.write(chance.choice(words.visible), organs=listed)


def _volume(measure: OrganMeasure, name: str, words: OrganWords, chance: random.Random) -> Caption:
    ml = measure.volume_ml
    said = f"{ml:.0f}" if ml >= _WHOLE_FROM_ML else f"{ml:.1f}"
    sentences = words.volume_cut if measure.is_cut else words.volume
    return words.write(chance.choice(sentences), organ=name, ml=said)


def _density(measure: OrganMeasure, name: str, words: OrganWords, chance: random.Random) -> Caption:
    return words.write(chance.choice(words.density), organ=name, hu=f"{measure.mean_hu:.0f}")


def _measure(mask: OrganMask, ct_path: Path | None) -> tuple[OrganMeasure, ...]:
    if ct_path is None:
        return measure_organs(mask)
    sample = NiftiLoader()(ct_path)
    return measure_organs(mask, sample.array[..., 0], np.asarray(sample.metadata["affine"]))


def _names(record: Mapping[str, Any], mask: OrganMask, words: OrganWords) -> dict[int, str]:
    """Return how a caption names each number."""
    if record.get(LABELS) not in (None, ""):
        try:
            table = read_class_list(_beside(record, LABELS)).objects
        except UsageError as error:
            raise ContractError(
                f"its {LABELS} is no list of names: a name a line from number 0, or YAML with "
                "'names'. Correct it."
            ) from error
        return {n: words.organs.get(name, name.replace("_", " ")) for n, name in table.items()}
    if not mask.names:
        raise ContractError(
            "nothing says what the numbers of its mask mean: its header has no table of labels. "
            f"Name one: --set {LABELS}=FILE"
        )
    return {n: words.organs[name] for n, name in mask.names.items() if name in words.organs}


def _paths(record: Mapping[str, Any]) -> tuple[Path | None, Path]:
    """Return the paths of the CT, or None, and of the mask."""
    path = Path(str(record["path"]))
    if record.get(MASK) in (None, ""):
        return None, path
    return path, _beside(record, MASK)


def _beside(record: Mapping[str, Any], column: str) -> Path:
    """Return a file that a row names, in the folder of its manifest.

    Raises:
        ContractError: the name leads out of that folder.
    """
    name = str(record[column])
    if leads_out(name):
        raise ContractError(
            f"its {column} lies outside the manifest's folder. Put it beside the manifest."
        )
    return Path(str(record.get("source", ""))).parent / name
