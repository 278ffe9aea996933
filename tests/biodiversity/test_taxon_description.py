"""Captions that describe a taxon, by the set that ships and by the user's own."""

from __future__ import annotations

import doctest
import os
from typing import TYPE_CHECKING

import pytest

import fieldguide as fg
from fieldguide.errors import ContractError, UsageError
from fieldguide_biodiversity import taxon_description as module
from fieldguide_biodiversity.taxon_description import taxon_description

if TYPE_CHECKING:
    from pathlib import Path


def test_docstring_examples_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_file_of_the_users_gives_a_caption_for_each_sentence(tmp_path: Path) -> None:
    own = tmp_path / "birds.csv"
    own.write_text(
        "taxon,kind,text\nPica pica,appearance,A black and white bird with a long tail.\n"
        "Pica pica,habitat,It lives on farmland.\n"
    )
    row = {"scientificName": "Pica pica (Linnaeus, 1758)", "descriptions": str(own)}
    captions = taxon_description(row)
    assert captions == (
        "a photo of Pica pica, a black and white bird with a long tail.",
        "a photo of Pica pica, it lives on farmland.",
    )
    assert [c.template for c in captions] == ["birds:appearance", "birds:habitat"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    own = tmp_path / "birds.csv"
    for text, time_s in (("black", 1), ("white", 2)):
        own.write_text(f"taxon,text\nPica pica,{text}\n")
        os.utime(own, (time_s, time_s))
        captions = taxon_description({"label": "Pica pica", "descriptions": str(own)})
        assert captions == (f"a photo of Pica pica, {text}.",)


def test_a_family_is_described_by_its_own_name() -> None:
    first, *_ = taxon_description({"family": "Scaridae"})
    assert first.startswith("a photo of Scaridae, a stout fish with large scales")


def test_a_taxon_that_the_set_does_not_know_is_named() -> None:
    with pytest.raises(ContractError, match=r"describes no 'Pica pica'\. Add it"):
        taxon_description({"label": "Pica pica"})
    with pytest.raises(ContractError, match="names no taxon"):
        taxon_description({"site": "A3"})


def test_a_set_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "birds.json"
    path.write_text("[]")
    with pytest.raises(UsageError, match="no object of classes"):
        taxon_description({"label": "Pica pica", "descriptions": str(path)})


@pytest.mark.shared_data
def test_every_picture_of_fish4knowledge_has_its_three_captions(shared_data: Path) -> None:
    made = fg.make_captions(
        shared_data / "biodiversity" / "fish4knowledge" / "manifest.jsonl", ["taxon_description"]
    )
    assert not made.skipped
    assert made.provenance["images"] == 1122
    assert len(made) == 3 * 1122
