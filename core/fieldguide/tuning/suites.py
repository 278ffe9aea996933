"""Suites: labelled or captioned pictures on which a tuned model is compared with its base.

A suite of the domain says what was gained; a general suite, and suites of sister domains, say what
it cost. Part of each suite chooses the adapter's strength ("val") and the rest is reported
("test"), so that what is reported was not chosen by.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fieldguide.data.pipeline import Reader
from fieldguide.data.routing import find_modality, loader_specs
from fieldguide.errors import TuningError
from fieldguide.tuning.examples import read_examples
from fieldguide.tuning.rows import find_rows
from fieldguide.tuning.splits import TEST, TRAIN, VAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fieldguide.contract import Contract
    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import ItemReader
    from fieldguide.guides import Guide
    from fieldguide.plugins import Catalog
    from fieldguide.samples import Loader
    from fieldguide.tuning.examples import Examples

Role = Literal["domain", "general", "sister"]
GROUP = "group"


@dataclass(frozen=True)
class Suite:
    """Pictures with labels, captions or both; a row needs neither.

    Attributes:
        role: what its figures mean: gain on the domain, or loss elsewhere.
        items: N pictures.
        parts: (N,) "val" (chooses the strength) or "test" (is reported).
        groups: (N,) rows of one group are resampled together.
        labels: (N,) the true label, "" where there is none.
        prompts: one or more for each label; nothing is classified with fewer than two labels.
        captions: (N,) tuples of captions, empty where there are none.
        reader: turns an item into the model's pixels.
        note: what a reader of the figures must know, such as that the suite is tiny.
    """

    name: str
    role: Role
    items: tuple[Item, ...]
    parts: tuple[str, ...]
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    prompts: Mapping[str, Sequence[str]]
    captions: tuple[tuple[str, ...], ...]
    reader: ItemReader
    note: str = ""

    def only(self, rows: Sequence[int]) -> Suite:
        """Return the suite of some rows."""
        return replace(
            self,
            items=tuple(self.items[row] for row in rows),
            parts=tuple(self.parts[row] for row in rows),
            groups=tuple(self.groups[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            captions=tuple(self.captions[row] for row in rows),
        )


def domain_suite(examples: Examples, reader: ItemReader, name: str = "domain") -> Suite:
    """Return the val and test rows of what is tuned on.

    Raises:
        TuningError: there is nothing to measure, or no val or no test row.
    """
    return _suite(examples, name, "domain", examples.splits, reader)


def other_suite(
    examples: Examples, name: str, role: Role, reader: ItemReader, *, replayed: bool = False
) -> Suite:
    """Return a suite of pictures that are not of the domain; rows of "train" are left out.

    Where the manifest states no splits all rows are measured, unless those of "train" are replayed
    in training. Where it states only one of "val" and "test", its rows are halved by group, by a
    hash of the group's name.

    Args:
        examples: as ``read_other`` reads them.
        name: for the card.
        role: "general" or "sister".
        reader: see ``reader_for``.
        replayed: whether the rows of "train" are trained with.

    Raises:
        TuningError: there is nothing to measure, or one half is empty.
    """
    splits = examples.splits
    if not replayed and set(examples.made) >= {TRAIN, VAL, TEST}:  # the manifest states none
        splits = (VAL,) * len(splits)
    groups = zip(examples.items, examples.groups, strict=True)
    names = [Path(group).name if group == item.id else group for item, group in groups]
    return _suite(examples, name, role, parts_of(splits, names), reader)


def read_other(guide: Guide, manifest: str | Path) -> Examples:
    """Return the rows of a manifest or labelled folder that is not tuned on.

    Columns are found by their usual names: label, captions, group, split.

    Raises:
        UsageError: it cannot be read, or has neither labels nor captions.
    """
    grouped = any(GROUP in item.metadata for item in find_rows(guide, manifest))
    return read_examples(guide, manifest, group_column=GROUP if grouped else None)


def suite_name(manifest: str | Path) -> str:
    """Return what a suite is called by default.

    >>> suite_name("photos/manifest.jsonl"), suite_name("birds.csv")
    ('photos', 'birds')
    """
    path = Path(manifest).absolute()
    return path.parent.name if path.stem == "manifest" else path.stem


def reader_for(guide: Guide, items: Sequence[Item], contract: Contract) -> Reader:
    """Return a reader of a guide's kind of picture for another model's contract.

    Args:
        guide: of the pictures' own domain; its model is not loaded.
        items: of one modality.
        contract: of the model that is measured.

    Raises:
        AmbiguousNameError: an item can be of several modalities.
        MissingExtraError: a package that reads them is not installed.
    """
    readers = [guide.planner.reader_of(item) for item in _one_a_suffix(items)]
    loaders: dict[str, Loader] = {}
    for reader in readers:
        loaders |= reader.loaders
    return replace(readers[0], loaders=loaders, contract=contract)


def plain_reader(contract: Contract, catalog: Catalog) -> Reader:
    """Return the reader of plain pictures, the core's own domain, for one model's contract."""
    photo = find_modality(catalog.domains["general"], "photo")
    specs = loader_specs(photo, catalog)
    return Reader(
        loaders={spec.name: spec.load()() for spec in specs},
        specs=specs,
        contract=contract,
        repairs=photo.repairs,
    )


def parts_of(splits: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """Return "train", "val" or "test" of each row, so that the latter two are both there.

    Where they are not, all rows but those of "train" go to one of the two by a hash of their
    group, so that the choice does not depend on the order or number of rows.
    """
    if {VAL, TEST} <= set(splits):
        return tuple(splits)
    return tuple(
        TRAIN if split == TRAIN else _half(group)
        for split, group in zip(splits, groups, strict=True)
    )


def checked(suite: Suite) -> Suite:
    """Return the suite, or say why it cannot be measured.

    Raises:
        TuningError: nothing to measure, or no row to choose by or to report.
    """
    if len(suite.prompts) < 2 and not any(suite.captions):
        raise TuningError(
            f"{suite.name} cannot be measured: it needs a column 'label' with two labels or more, "
            "or a column 'captions'. Add one, or leave the file out."
        )
    missing = {VAL, TEST} - set(suite.parts)
    if missing:
        raise TuningError(
            f"{suite.name} has no {' and no '.join(sorted(missing))} rows, so a strength cannot be "
            "chosen on some rows and reported on others. Add rows, or correct the column 'split'."
        )
    for part in (VAL, TEST):
        if not _measurable(suite, part):
            raise TuningError(
                f"{suite.name} has too few {part!r} rows to be measured: they need labels, or "
                "captions of two rows or more. Add rows, or leave the measuring out: --no-measure"
            )
    return suite


def _measurable(suite: Suite, part: str) -> bool:
    """Return whether a part has a label to be found, or several pictures to search among."""
    rows = [row for row, each in enumerate(suite.parts) if each == part]
    labelled = any(suite.labels[row] in suite.prompts for row in rows)
    return labelled or sum(bool(suite.captions[row]) for row in rows) > 1


def _suite(
    examples: Examples, name: str, role: Role, parts: Sequence[str], reader: ItemReader
) -> Suite:
    every = Suite(
        name=name,
        role=role,
        items=examples.items,
        parts=tuple(parts),
        groups=examples.groups,
        labels=examples.labels,
        prompts=examples.prompts if len(examples.prompts) > 1 else {},
        captions=examples.captions,
        reader=reader,
    )
    return checked(every.only([row for row, part in enumerate(parts) if part in (VAL, TEST)]))


def _one_a_suffix(items: Sequence[Item]) -> list[Item]:
    """Return one item of each file ending: enough to know every loader."""
    found: dict[Any, Item] = {}
    for item in items:
        found.setdefault(item.path and "".join(item.path.suffixes).lower(), item)
    return list(found.values())


def _half(group: str) -> str:
    return TEST if hashlib.sha256(group.encode()).digest()[0] % 2 else VAL
