"""What tuning gained on its domain and cost elsewhere, at every strength, with intervals.

Strengths are points of weight-space interpolation (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models", arXiv:2109.01903): nothing is trained for them. Pictures are read once, and
what comes before the first changed layer is computed once for all strengths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.intervals import Interval, paired_difference
from fieldguide.errors import TuningError
from fieldguide.tuning.adapter import ProbeClassifier
from fieldguide.tuning.pareto import Point
from fieldguide.tuning.strengths import encode_suite, models_at
from fieldguide.tuning.suite_figures import FIGURES, figures_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fieldguide.benchmarks.intervals import Counts
    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.adapter import Probe
    from fieldguide.tuning.changes import Change
    from fieldguide.tuning.pareto import Rule
    from fieldguide.tuning.strengths import EncodedSuite
    from fieldguide.tuning.suites import Suite

ROLES = ("domain", "general", "sister")
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class SuiteReport:
    """One suite at every strength. Figures are "top1", "macro_recall" and "mean_recall".

    Attributes:
        name: of the suite.
        role: "domain", "general" or "sister".
        note: what a reader of the figures must know.
        rows: how many rows were measured, by part "val" and "test".
        unreadable: how many could not be read; the first reason.
        chosen_by: (S,) each figure's value on the val rows, by which the strength is chosen.
        figures: (S,) each figure on the test rows with its interval.
        changes: (S,) each figure minus the base's on the same test rows, with the interval of the
            paired difference; negative is forgetting.
    """

    name: str
    role: str
    note: str
    rows: Mapping[str, int]
    groups: int
    unreadable: tuple[str, ...]
    chosen_by: tuple[Mapping[str, float], ...]
    figures: tuple[Mapping[str, Interval], ...]
    changes: tuple[Mapping[str, Interval], ...]

    def scores(self) -> list[float]:
        """Return the score of each strength on the val rows: the mean of top-1 and mean recall.

        Where the suite has only one of them, that one.
        """
        return [score_of(values) for values in self.chosen_by]

    def record(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "name": self.name,
            "role": self.role,
            "note": self.note,
            "rows": dict(self.rows),
            "groups": self.groups,
            "unreadable": len(self.unreadable),
            "val": [dict(values) for values in self.chosen_by],
            "test": [_plain(values) for values in self.figures],
            "change": [_plain(values) for values in self.changes],
        }


@dataclass(frozen=True)
class Assessment:
    """Every suite at every strength.

    Attributes:
        strengths: (S,) ascending, 0 first.
        reports: the domain first.
        omitted: why a suite could not be measured, by its name.
    """

    strengths: tuple[float, ...]
    reports: tuple[SuiteReport, ...]
    omitted: Mapping[str, str]

    def of_role(self, role: str) -> tuple[SuiteReport, ...]:
        """Return the reports of one role."""
        return tuple(report for report in self.reports if report.role == role)

    def points(self) -> tuple[Point, ...]:
        """Return the scores of each strength on the val rows.

        The general score is the mean over general suites; over sister suites where there is no
        general one; without both it is 0 everywhere.
        """
        domain = _mean_scores(self.of_role("domain"), len(self.strengths))
        others = self.of_role("general") or self.of_role("sister")
        general = _mean_scores(others, len(self.strengths))
        losses = [[s[0] - score for score in s] for s in (report.scores() for report in others)]
        worst = [max(column) for column in zip(*losses, strict=True)] or [0.0] * len(domain)
        return tuple(
            Point(*values) for values in zip(self.strengths, domain, general, worst, strict=True)
        )

    def record(self) -> dict[str, Any]:
        """Return everything as plain values, for the adapter's record."""
        return {
            "strengths": list(self.strengths),
            "suites": [report.record() for report in self.reports],
            "omitted": dict(self.omitted),
        }

    def lines(self, strength: float) -> list[str]:
        """Return gain and loss at one strength on the test rows, a line a figure, for the screen.

        Raises:
            TuningError: the strength was not measured.
        """
        place = self.place(strength)
        found = []
        for report in self.reports:
            for name, before in report.figures[0].items():
                after, change = report.figures[place][name], report.changes[place][name]
                found.append(
                    f"{report.role} {report.name}, {FIGURES[name]}: {100 * before.value:.1f} -> "
                    f"{100 * after.value:.1f} %, change {in_points(change)}"
                )
        return found + [f"{name} was not measured: {why}" for name, why in self.omitted.items()]

    def place(self, strength: float) -> int:
        """Return which of the strengths it is.

        Raises:
            TuningError: it was not measured.
        """
        if strength not in self.strengths:
            known = ", ".join(f"{s:g}" for s in self.strengths)
            raise TuningError(f"Strength {strength:g} was not measured; {known} were. Name one.")
        return self.strengths.index(strength)


def assess(
    encoder: Tunable,
    changes: Mapping[str, Change],
    suites: Sequence[Suite],
    *,
    strengths: Sequence[float] = STRENGTHS,
    batch_size: int = 32,
    workers: int = 2,
) -> Assessment:
    """Measure a base and its tuned forms on the same rows of every suite.

    Args:
        encoder: the base.
        changes: of the adapter, at strength 1.
        suites: at least one of the role "domain".
        strengths: 0 (the base) is added where it is missing.
        batch_size: pictures a step.
        workers: threads that read pictures.

    Raises:
        AdapterError: a change does not fit the encoder.
        TuningError: no suite is of the domain, or no row of it can be read.
    """
    ordered = tuple(sorted({0.0, *map(float, strengths)}))
    staged = models_at(encoder, changes, ordered)

    def encode(suite: Suite) -> EncodedSuite:
        return encode_suite(suite, staged, batch_size=batch_size, workers=workers)

    return _assess(suites, ordered, encode)


def assess_probe(
    encoder: Tunable,
    probe: Probe,
    suites: Sequence[Suite],
    *,
    batch_size: int = 32,
    workers: int = 2,
) -> Assessment:
    """Compare zero-shot answers (strength 0) with those of a probe (strength 1) on the domain.

    A probe changes no vector, so mean recall and the figures of the other suites stay as they are.

    Args:
        encoder: the model, as it is.
        probe: trained on its vectors.
        suites: as for :func:`assess`.
        batch_size: pictures a step.
        workers: threads that read pictures.

    Raises:
        TuningError: no suite is of the domain, or no row of it can be read.
    """
    strengths = (0.0, 1.0)
    staged = models_at(encoder, {}, strengths)

    def encode(suite: Suite) -> EncodedSuite:
        encoded = encode_suite(suite, staged, batch_size=batch_size, workers=workers)
        zero_shot = encoded.classifiers[0]
        if suite.role != "domain" or zero_shot is None:
            return encoded
        answering = ProbeClassifier(probe, encoded.images[1].space)
        return replace(encoded, classifiers=(zero_shot, answering))

    return _assess(suites, strengths, encode)


def _assess(
    suites: Sequence[Suite],
    strengths: tuple[float, ...],
    encode: Callable[[Suite], EncodedSuite],
) -> Assessment:
    if not any(suite.role == "domain" for suite in suites):
        raise TuningError("Nothing says what was gained: give a suite of the role 'domain'.")
    reports: list[SuiteReport] = []
    omitted: dict[str, str] = {}
    for suite in sorted(suites, key=lambda suite: ROLES.index(suite.role)):
        try:
            reports.append(_report(encode(suite)))
        except TuningError as error:
            if suite.role == "domain":
                raise
            omitted[suite.name] = str(error)
    return Assessment(strengths, tuple(reports), omitted)


def pick_strength(assessment: Assessment, rule: Rule) -> float:
    """Return the strength that a rule picks by the val rows; 0 where none helps within it."""
    return rule(assessment.points()).strength


def in_points(change: Interval) -> str:
    """Return a difference with its interval in points of percent.

    >>> in_points(Interval(-0.0123, -0.03, 0.01))
    '-1.2 [-3.0, +1.0]'
    """
    value, low, high = (
        round(100 * part, 1) + 0.0 for part in (change.value, change.low, change.high)
    )  # + 0.0 makes a negative zero positive
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _report(encoded: EncodedSuite) -> SuiteReport:
    chosen = [figures_of(encoded, number, "val") for number in range(encoded.models)]
    tested = [figures_of(encoded, number, "test") for number in range(encoded.models)]
    suite = encoded.suite
    test_groups = {g for g, part in zip(suite.groups, suite.parts, strict=True) if part == "test"}
    return SuiteReport(
        name=suite.name,
        role=suite.role,
        note=suite.note,
        rows={part: suite.parts.count(part) for part in ("val", "test")},
        groups=len(test_groups),
        unreadable=encoded.unreadable,
        chosen_by=tuple({name: c.value for name, c in counts.items()} for counts in chosen),
        figures=tuple({name: c.interval() for name, c in counts.items()} for counts in tested),
        changes=tuple(_changes(tested[0], counts) for counts in tested),
    )


def _changes(before: Mapping[str, Counts], after: Mapping[str, Counts]) -> dict[str, Interval]:
    return {name: paired_difference(before[name], counts) for name, counts in after.items()}


def score_of(values: Mapping[str, float]) -> float:
    """Return the score of some figures: the mean of top-1 and mean recall, or the one there is."""
    used = [values[name] for name in ("top1", "mean_recall") if name in values]
    return sum(used) / len(used)


def _mean_scores(reports: Sequence[SuiteReport], length: int) -> list[float]:
    columns = [report.scores() for report in reports]
    if not columns:
        return [0.0] * length
    return [sum(column) / len(column) for column in zip(*columns, strict=True)]


def _plain(values: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {
        name: {"value": figure.value, "low": figure.low, "high": figure.high}
        for name, figure in values.items()
    }
