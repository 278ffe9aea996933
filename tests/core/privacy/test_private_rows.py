"""What a private domain lets into rows: open facts, and no picture that is withheld."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.builtin import register_domains
from fieldguide.contract import InputContract
from fieldguide.data.inputs import Item
from fieldguide.data.pipeline import Reader
from fieldguide.errors import LoadError
from fieldguide.plugins import get_catalog
from fieldguide.privacy.domains import names_fact, names_of, require_same_names
from fieldguide.privacy.names import PrivateNames
from fieldguide.samples import RGB, SRGB8, Sample

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.specs import DomainSpec

SALT = b"0123456789abcdef"
FACTS = {"spacing_mm": (1.0, 2.0), "captured": "1957-04-13", "note": "Quux"}


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    sample = Sample(np.zeros((8, 8, 3), np.uint8), RGB, SRGB8, FACTS, notes=("text is in it.",))
    loaders = {"image": lambda _path: sample}
    return Reader(
        loaders,
        [get_catalog().loaders["image"]],
        InputContract(size_px=(8, 8), resize="squash", mean=(0, 0, 0), std=(1, 1, 1)),
        thumbnails=True,
        private=PrivateNames(tmp_path / "sources.parquet", facts=["spacing_mm"], salt=SALT),
    )


@pytest.fixture
def item(tmp_path: Path) -> Item:
    path = tmp_path / "Quux.png"
    Image.new("RGB", (8, 8)).save(path)
    return Item(path.as_posix(), path.as_posix(), path)


def private_domain() -> DomainSpec:
    (general,) = register_domains()
    return general.model_copy(update={"private_sources": True})


def test_only_facts_that_the_domain_opens_come_into_a_row(reader: Reader, item: Item) -> None:
    row, _ = reader.read(item)
    assert row.metadata == {"spacing_mm": (1.0, 2.0)}
    assert row.thumbnail is not None


def test_a_withheld_picture_is_in_no_row_and_the_row_says_why(reader: Reader, item: Item) -> None:
    sample = replace(reader.loaders["image"](item.path), withheld=True)
    row, pixels = replace(reader, loaders={"image": lambda _path: sample}).read(item)
    assert row.thumbnail is None
    assert "text is in it" in row.reason
    assert pixels is not None


def test_the_reason_of_a_row_does_not_name_its_file(reader: Reader, item: Item) -> None:
    (hidden,) = reader.private.hide([item]) if reader.private else [item]

    def fail(path: Path) -> Sample:
        raise LoadError(f"{path} is broken: {path.name!r}.")

    row, _ = replace(reader, loaders={"image": fail}).read(hidden)
    assert row.status == "skipped"
    assert "Quux" not in row.reason
    assert row.item.name.startswith("item-")


def test_a_domain_is_private_only_where_it_says_so() -> None:
    (general,) = register_domains()
    assert names_of(general) is None
    assert names_of(private_domain()) is not None
    assert names_fact(general, None) == {}


def test_a_store_of_paths_does_not_take_ids(tmp_path: Path) -> None:
    domain, names = private_domain(), PrivateNames(tmp_path / "s.parquet", salt=SALT)
    require_same_names(None, domain, names, tmp_path)
    require_same_names({"names": "ids"}, domain, names, tmp_path)
    with pytest.raises(Exception, match="Add --show-paths"):
        require_same_names({}, domain, names, tmp_path)
    with pytest.raises(Exception, match="Leave --show-paths out"):
        require_same_names({"names": "ids"}, domain, None, tmp_path)
