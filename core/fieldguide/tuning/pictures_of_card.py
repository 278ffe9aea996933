"""The pictures of a card: curves of the training, gain and loss, the Pareto curve.

Figures are drawn by matplotlib's objects on its Agg canvas: no global state, no display. The same
figures give the same bytes with the same release of matplotlib, because nothing of the time or the
program is written into the file.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fieldguide.data.files import atomic_path
from fieldguide.tuning.pareto import pareto_front

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from fieldguide.tuning.assessment import Assessment, SuiteReport

CURVES, CHANGES, PARETO = "training.png", "gain_and_loss.png", "strength.png"
COLORS = {"domain": "#1b7837", "general": "#b2182b", "sister": "#e08214"}
LINES = ("-", "--", ":", "-.")
"""Tell suites of one role apart."""
NOT_CURVES = frozenset({"step", "epoch", "seconds", "learning_rate", "gradient_norm", "scale"})
DPI = 110
INCHES = (7.2, 3.4)


def draw_training(history: Sequence[Mapping[str, Any]], folder: Path) -> str | None:
    """Write the curves of a training; None where there is nothing to draw.

    Args:
        history: rows with a "step"; columns with "loss" in their name go on the left, the other
            figures, from 0 to 1, on the right.
        folder: exists.
    """
    curves = _curves(history)
    losses = {name: curve for name, curve in curves.items() if "loss" in name}
    others = {name: curve for name, curve in curves.items() if name not in losses}
    panels = [(part, unit) for part, unit in ((losses, "nats"), (others, "%")) if part]
    if not panels:
        return None
    figure = Figure(figsize=INCHES, layout="constrained")
    for place, (part, unit) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place)
        for name, (steps, values) in part.items():
            shown = [100 * value for value in values] if unit == "%" else values
            axes.plot(steps, shown, label=name.replace("_", " "), marker="." * (len(steps) < 40))
        axes.set_xlabel("step")
        axes.set_ylabel(unit)
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    return _write(figure, folder, CURVES)


def draw_changes(assessment: Assessment, strength: float, folder: Path) -> str:
    """Write gain and loss at one strength as bars, with the intervals of the paired differences.

    Raises:
        TuningError: the strength was not measured.
    """
    place = assessment.place(strength)
    rows = [
        (report, name, change)
        for report in assessment.reports
        for name, change in report.changes[place].items()
    ]
    figure = Figure(figsize=(INCHES[0], 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for row, (report, _, change) in enumerate(rows):
        value, low, high = (100 * part for part in (change.value, change.low, change.high))
        axes.barh(row, value, color=COLORS[report.role], height=0.6)
        axes.plot([low, high], [row, row], color="black", linewidth=1.2)
    axes.axvline(0, color="black", linewidth=0.8)
    names = [f"{report.name}: {name.replace('_', ' ')}" for report, name, _ in rows]
    axes.set_yticks(range(len(rows)), names, fontsize="small")
    axes.invert_yaxis()
    axes.set_xlabel(f"tuned at strength {strength:g} minus base, points, with 95 % interval")
    return _write(figure, folder, CHANGES)


def draw_strengths(assessment: Assessment, strength: float, folder: Path) -> str:
    """Write the scores over the strengths, and the domain's against the general one."""
    figure = Figure(figsize=INCHES, layout="constrained")
    over, against = figure.subplots(1, 2)
    for role in COLORS:
        for number, report in enumerate(assessment.of_role(role)):
            _draw_scores(over, assessment.strengths, report, LINES[number % len(LINES)])
    over.axvline(strength, color="gray", linestyle=":", linewidth=1)
    over.set_xlabel("strength")
    over.set_ylabel("score on the val rows, %")
    over.legend(fontsize="x-small")
    _draw_pareto(against, assessment, strength)
    for axes in (over, against):
        axes.grid(alpha=0.3)
    return _write(figure, folder, PARETO)


def _draw_scores(axes: Axes, strengths: Sequence[float], report: SuiteReport, line: str) -> None:
    scores = [100 * score for score in report.scores()]
    axes.plot(
        strengths, scores, marker=".", linestyle=line, color=COLORS[report.role], label=report.name
    )


def _draw_pareto(axes: Axes, assessment: Assessment, strength: float) -> None:
    points = assessment.points()
    front = pareto_front(points)
    axes.plot([100 * p.general for p in points], [100 * p.domain for p in points],
              color="lightgray", marker="o", markerfacecolor="white")  # fmt: skip
    axes.plot([100 * p.general for p in front], [100 * p.domain for p in front],
              color="#2166ac", marker="o", linestyle="none")  # fmt: skip
    for point in points:
        weight = "bold" if point.strength == strength else "normal"
        axes.annotate(f"{point.strength:g}", (100 * point.general, 100 * point.domain),
                      xytext=(4, 4), textcoords="offset points", fontsize="small",
                      fontweight=weight)  # fmt: skip
    kind = "general" if assessment.of_role("general") else "sister"
    axes.set_xlabel(f"mean score of the {kind} suites, %")
    axes.set_ylabel("score on the domain, %")


def _curves(history: Sequence[Mapping[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in history:
        for name, value in row.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if "step" in row and is_number and name not in NOT_CURVES:
                steps, values = found.setdefault(name, ([], []))
                steps.append(float(row["step"]))
                values.append(float(value))
    return found


def _write(figure: Figure, folder: Path, name: str) -> str:
    """Write a figure as PNG without the program's name or a date, and return its name."""
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    with atomic_path(folder / name) as temporary:
        temporary.write_bytes(content.getvalue())
    return name
