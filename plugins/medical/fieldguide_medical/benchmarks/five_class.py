"""Radiographs with exactly one of five findings, 200 of each (Huang et al. 2021, GLoRIA, ICCV).

CheXpert-5x200 and MIMIC-5x200 are drawn by whoever measures, and MedCLIP's authors (Wang et al.
2022, arXiv:2210.10163) do not state which draw their figures are of. Here the rule is that of
their code, and the draw ours: the first 200 images of each class in the order of the SHA-256 of
their places.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fieldguide.benchmarks.labelled import GROUP, LABEL, LabelledImages
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.published_files import incomplete
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide.data.files import exists
from fieldguide.data.inputs import Item
from fieldguide.errors import UsageError
from fieldguide_medical.benchmarks.five_class_tables import (
    CLASSES,
    CheXpertTable,
    MimicTables,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.plugins import Catalog
    from fieldguide_medical.benchmarks.five_class_tables import Candidate

A_CLASS = 200
CLASS_SET = "chest_xray_5"
DRAW_TRAP = (
    "Everybody draws such a set anew, and which draw MedCLIP's figures are of is not stated: these "
    "are other images by the same rule, in a draw of ours. Figures of another draw do not compare."
)
RULE_TRAP = (
    "Exactly one of the labels is positive; uncertain (-1) and blank count as not positive, as in "
    "MedCLIP. Others leave uncertain ones or lateral views out; here both may be among the images."
)
LABEL_TRAP = "The labels are of a labeller that read the reports, not of a reader of the images."
SEEN_TRAP = (
    "The images are of the part that models are trained on: one that was trained on this set has "
    "seen them unless its authors held out the same draw."
)
PROMPT_TRAP = (
    "The prompts are ours, five phrases in four templates; MedCLIP's figures are of sentences "
    "drawn from lists of severities, kinds and places."
)
TRAPS = (DRAW_TRAP, RULE_TRAP, LABEL_TRAP, SEEN_TRAP, PROMPT_TRAP)


class Tables(Protocol):
    """The labels of a public set of radiographs."""

    @property
    def name(self) -> str:
        """Of its record in the registry."""
        ...

    @property
    def title(self) -> str:
        """As its papers write it."""
        ...

    def read(self, root: Path) -> tuple[Path, Iterable[Candidate]]:
        """Return the folder of images and every image with exactly one of the findings.

        Raises:
            UsageError: a table is not there or is another.
        """
        ...


class Draw(NamedTuple):
    """What is drawn from a set's tables.

    Attributes:
        folder: that the images lie in.
        candidates: 1,000 by class, fewer where the tables are not whole.
    """

    folder: Path
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class FiveClasses:
    """200 images of each of the five classes; see ``labelled.LabelledSet``.

    Attributes:
        tables: the labels that are drawn from.
    """

    tables: Tables

    @property
    def name(self) -> str:
        """Of the record in the registry."""
        return self.tables.name

    def draw(self, root: Path) -> Draw:
        """Return the images of the set, whether they are there or not.

        Raises:
            UsageError: a table is not there or is another.
        """
        folder, found = self.tables.read(root)
        by_class: dict[str, list[Candidate]] = {label: [] for label in CLASSES}
        for candidate in found:
            by_class[candidate.label].append(candidate)
        drawn = (sorted(each, key=_order)[:A_CLASS] for each in by_class.values())
        return Draw(folder, tuple(candidate for each in drawn for candidate in each))

    def places(self, root: str) -> str:
        """Return where the images of the set lie below the folder of images, a line each.

        Args:
            root: the folder with the tables; the images need not be there, so that they alone can
                be downloaded.

        Raises:
            UsageError: a table is not there or is another.
        """
        return "\n".join(each.place for each in self.draw(Path(root)).candidates)

    def find(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        return self._found(root, whole=True)

    def find_subset(self, root: Path, catalog: Catalog) -> LabelledImages:
        """See ``LabelledSet``."""
        return self._found(root, whole=False)

    def _found(self, root: Path, *, whole: bool) -> LabelledImages:
        folder, drawn = self.draw(root)
        there = [each for each in drawn if exists(folder / each.place)]
        total = A_CLASS * len(CLASSES)
        if not there or (whole and len(there) < total):
            have = [sum(each.label == label for each in there) for label in CLASSES]
            parts = ", ".join(f"{label} {n}" for label, n in zip(CLASSES, have, strict=True))
            missing = [each.place for each in drawn if not exists(folder / each.place)]
            text = f"{len(there)} of {total} images; of {A_CLASS} each: {parts}"
            raise UsageError(incomplete(root, self.tables.title, text, missing))
        return LabelledImages(
            items=tuple(_item(folder, each) for each in there),
            labels=tuple(each.label for each in there),
            whole=total,
            groups=tuple(each.patient for each in there),
        )


def _order(candidate: Candidate) -> tuple[bytes, str]:
    return hashlib.sha256(candidate.place.encode()).digest(), candidate.place


def _item(folder: Path, candidate: Candidate) -> Item:
    path = folder / candidate.place
    about: dict[str, Any] = {LABEL: candidate.label, GROUP: candidate.patient}
    return Item(path.absolute().as_posix(), path.as_posix(), path, metadata=about)


CHEXPERT = FiveClasses(CheXpertTable())
MIMIC = FiveClasses(MimicTables())

chexpert_5x200_zero_shot = LabelledBenchmark(CHEXPERT, ZeroShot(CLASS_SET), TRAPS)
mimic_5x200_zero_shot = LabelledBenchmark(MIMIC, ZeroShot(CLASS_SET), TRAPS)
