"""The mean over several data sets: of all of them, or named as the mean of those that are there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fieldguide.benchmarks.measured import Measured, make_report
from fieldguide.benchmarks.report import Figure
from fieldguide.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fieldguide.benchmarks.labelled import LabelledImages
    from fieldguide.benchmarks.measured import LabelledProtocol
    from fieldguide.benchmarks.named_set import NamedSet
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.guides import Guide


@dataclass(frozen=True)
class Member:
    """One of the data sets.

    Attributes:
        folder: of the set, under the root that the user names.
        data: the set.
        protocol: whose main figure is averaged.
    """

    folder: str
    data: NamedSet
    protocol: LabelledProtocol


@dataclass(frozen=True)
class MeanOfSets:
    """The plain mean of the main figures of several sets, each weighing as much.

    Attributes:
        name: of its BenchmarkSpec.
        dataset: name of the registry's record of the sets together.
        members: the sets, in the order of the paper's table.
        traps: what misleads, in whole sentences.
    """

    name: str
    dataset: str
    members: tuple[Member, ...]
    traps: tuple[str, ...] = ()

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on all sets.

        Raises:
            UsageError: one of them is not there or not whole.
        """
        found, lacking = self._look(guide, root, whole=True)
        if lacking:
            some = "; ".join(f"{title}: {reason}" for title, reason in lacking.items())
            raise UsageError(
                f"{len(lacking)} of the {len(self.members)} sets are not there or not whole: "
                f"{some} To average those that are there, which is then named as such: --subset"
            )
        return self._report(guide, found, ())

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the sets that are there.

        Raises:
            UsageError: none is.
        """
        found, lacking = self._look(guide, root, whole=False)
        if not found:
            raise UsageError(f"{root} holds none of the sets. {next(iter(lacking.values()))}")
        return self._report(guide, found, tuple(lacking))

    def _look(
        self, guide: Guide, root: Path, *, whole: bool
    ) -> tuple[dict[str, LabelledImages], dict[str, str]]:
        """Return the images of each set by its title, and why the others are not there."""
        found: dict[str, LabelledImages] = {}
        lacking: dict[str, str] = {}
        for member in self.members:
            find = member.data.find if whole else member.data.find_subset
            try:
                found[member.data.title] = find(root / member.folder, guide.catalog)
            except UsageError as error:
                lacking[member.data.title] = str(error)
        return found, lacking

    def _report(
        self, guide: Guide, found: Mapping[str, LabelledImages], lacking: tuple[str, ...]
    ) -> BenchmarkReport:
        measured = {
            member.data.title: member.protocol.measure(guide, found[member.data.title])
            for member in self.members
            if member.data.title in found
        }
        last = list(measured.values())[-1]
        whole = sum(member.data.reported for member in self.members)
        return make_report(
            guide,
            self.name,
            self.dataset,
            replace(
                last,
                figures=self._figures(measured),
                used=sum(part.used for part in measured.values()),
                protocol=self._protocol(last, len(measured)),
                traps=tuple(dict.fromkeys(t for part in measured.values() for t in part.traps)),
                failed=tuple(row for part in measured.values() for row in part.failed),
            ),
            whole=whole,
            traps=(*self._missing(lacking), *self.traps),
        )

    def _figures(self, measured: Mapping[str, Measured]) -> tuple[Figure, ...]:
        """Return the mean, then each set's own figure."""
        mains = {title: part.figures[0] for title, part in measured.items()}
        mean = sum(figure.value for figure in mains.values()) / len(mains)
        first = next(iter(mains.values()))
        name = "" if len(mains) == len(self.members) else self._partly(len(mains))
        total = sum(figure.n for figure in mains.values())
        return (
            Figure(first.metric, mean, None, None, total, first.unit, name),
            *(replace(figure, part=title) for title, figure in mains.items()),
        )

    def _protocol(self, part: Measured, count: int) -> tuple[str, ...]:
        which = "all" if count == len(self.members) else "only"
        return (
            f"The mean over {which} {count} of {len(self.members)} sets, each weighing as much; "
            "each set as in its own benchmark, such as:",
            *part.protocol,
        )

    def _partly(self, count: int) -> str:
        return f"mean of {count} of {len(self.members)} sets"

    def _missing(self, lacking: tuple[str, ...]) -> tuple[str, ...]:
        if not lacking:
            return ()
        return (
            f"Not there: {', '.join(lacking)}. A mean over other sets is another figure: it stands "
            f"beside no published mean of {len(self.members)} sets.",
        )
