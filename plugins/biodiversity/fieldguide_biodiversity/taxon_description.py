"""Captions that describe a taxon: what it looks like, where it lives. One is drawn a step.

Saha et al. 2024, "Improved Zero-Shot Classification by Adapting VLMs with Text Descriptions"
(AdaptCLIPZS, arXiv:2401.02460): each image comes with one random sentence of its class,
"{template} {name} {sentence}", trained with a loss that counts all sentences of a class as right
(``--loss class_level``).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.captions.caption import Caption
from fieldguide.errors import ContractError
from fieldguide.plugins import get_catalog
from fieldguide.zeroshot.class_sets import bare
from fieldguide.zeroshot.description_files import load_descriptions
from fieldguide_biodiversity.captions import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.zeroshot.description_sets import Described, DescriptionSet

COLUMN = "descriptions"
"""Names a description set: one that is installed, or a file."""
DEFAULT = "fish4knowledge_looks"


def taxon_description(record: Mapping[str, Any]) -> tuple[Caption, ...]:
    """Return a caption for each sentence that a description set has of a taxon.

    Args:
        record: a row whose columns name a taxon, or with a ``label``; ``descriptions`` names the
            set, by default that of Fish4Knowledge's fishes.

    Raises:
        ContractError: the row names no taxon, or one that the set does not describe.
        UsageError: the set is no such file.

    >>> taxon_description({"label": "Pomacentrus moluccensis"})[0]
    'a photo of Pomacentrus moluccensis, a small bright yellow damselfish.'
    """
    chosen, known = _set_of(str(record.get(COLUMN) or DEFAULT))
    called = _called(record)
    entry = next((e for name in called if (e := known.get(bare(name)))), None)
    if entry is None:
        raise ContractError(
            f"{chosen.name} describes no {called[0]!r}. Add it to the file, or name another one: "
            "--set descriptions=FILE"
        )
    version = f"/{chosen.version}" if chosen.version else ""
    return tuple(
        Caption(f"a photo of {called[0]}, {_in_line(text)}.", f"{chosen.name}{version}:{kind}")
        for kind, texts in entry.sentences.items()
        for text in texts
    )


def _called(record: Mapping[str, Any]) -> list[str]:
    """Return the names of a record's taxon, the surest first."""
    label = " ".join(str(record.get("label") or "").replace("_", " ").split())
    names = names_of(record)
    last = names.taxonomic.split()[-1:]  # the narrowest taxon of a record without a species
    called = [name for name in (names.scientific, label, names.common, *last) if name]
    if not called:
        raise ContractError("its row names no taxon. Fill the column scientific_name or label.")
    return called


def _in_line(sentence: str) -> str:
    """Return a sentence to stand after a comma."""
    text = sentence.strip().rstrip(".")
    is_article = text.split(" ", 1)[0] in ("A", "An", "The", "It", "Its", "This")
    return text[0].lower() + text[1:] if is_article else text


@functools.lru_cache(maxsize=8)  # the same set stands behind every row
def _loaded(name: str, changed_ns: int) -> tuple[DescriptionSet, dict[str, Described]]:
    found = load_descriptions(name, get_catalog())
    return found, found.by_name()


def _set_of(name: str) -> tuple[DescriptionSet, dict[str, Described]]:
    path = Path(name)
    return _loaded(name, path.stat().st_mtime_ns if path.is_file() else 0)
