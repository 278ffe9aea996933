"""The card of an adapter: what it is, for what, how it was made, what it gained and cost.

After Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader

from fieldguide.data.files import atomic_path, utf8_text
from fieldguide.tuning.assessment import in_points
from fieldguide.tuning.pareto import pareto_front
from fieldguide.tuning.pictures_of_card import draw_changes, draw_strengths, draw_training
from fieldguide.tuning.suite_figures import FIGURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldguide.tuning.adapter import AdapterConfig
    from fieldguide.tuning.assessment import Assessment, SuiteReport

CARD = "card.md"


def write_card(
    config: AdapterConfig,
    assessment: Assessment | None,
    honesty: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    folder: Path,
    rule: str = "",
) -> Path:
    """Write ``card.md`` and its pictures into an adapter's folder.

    Args:
        config: of the adapter; its strength is the one that is reported.
        assessment: None where nothing was measured, and the card says so.
        honesty: what was found in the data before training: "findings", each a text or a record
            with "level", "text" and "advice"; all else are counts and shares.
        history: rows of ``history.jsonl``; see ``pictures_of_card.draw_training``.
        folder: exists.
        rule: by which the strength was picked, in words.

    Returns:
        The path of the card.

    Raises:
        TuningError: the adapter's strength was not measured.
    """
    pictures = {"training": draw_training(history, folder)}
    if assessment is not None:
        pictures["changes"] = draw_changes(assessment, config.strength, folder)
        if len(assessment.strengths) > 1:
            pictures["strengths"] = draw_strengths(assessment, config.strength, folder)
    text = _environment().get_template("adapter_card.md").render(
        config=config,
        data=table(config.data),
        settings=table(config.settings),
        versions=table(config.versions),
        labels=list(config.prompts),
        findings=[finding(each) for each in honesty.get("findings", ())],
        counts=table({name: value for name, value in honesty.items() if name != "findings"}),
        assessment=assessment,
        changes=[] if assessment is None else change_rows(assessment, config.strength),
        points=[] if assessment is None else point_rows(assessment, config.strength),
        pictures=pictures,
        rule=rule,
    )  # fmt: skip
    path = folder / CARD
    with atomic_path(path) as temporary:
        temporary.write_text(utf8_text(text), "utf-8")
    return path


def change_rows(assessment: Assessment, strength: float) -> list[dict[str, str]]:
    """Return a row for each figure of each suite at one strength, on the test rows.

    Raises:
        TuningError: the strength was not measured.
    """
    place = assessment.place(strength)
    return [
        {
            "suite": report.name,
            "role": report.role,
            "figure": FIGURES[name],
            "rows": _size(report),
            "base": str(report.figures[0][name]),
            "tuned": str(figure),
            "change": in_points(report.changes[place][name]),
        }
        for report in assessment.reports
        for name, figure in report.figures[place].items()
    ]


def point_rows(assessment: Assessment, strength: float) -> list[dict[str, str]]:
    """Return a row for each strength: its scores on the val rows, and what is said of it."""
    points = assessment.points()
    front = pareto_front(points)
    return [
        {
            "strength": f"{point.strength:g}",
            "domain": f"{100 * point.domain:.1f}",
            "general": f"{100 * point.general:.1f}",
            "loss": f"{100 * point.general_loss:+.1f}",
            "front": "yes" if point in front else "",
            "picked": "picked" if point.strength == strength else "",
        }
        for point in points
    ]


def table(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    r"""Return nested values as pairs of a name and a text, for a table of two columns.

    >>> table({"images": {"train": 8}, "licence": "CC0|x", "sizes": [1, 2]})
    [('images, train', '8'), ('licence', 'CC0\\|x'), ('sizes', '1, 2')]
    """
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        title = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict):
            rows += table(value, f"{title}, ")
        elif value not in (None, "", [], ()):
            rows.append((cell(title), cell(value)))
    return rows


def cell(value: Any) -> str:
    """Return a value as it can stand in a Markdown table."""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def finding(found: Any) -> str:
    """Return a finding about the data as one line."""
    if isinstance(found, dict):
        text, advice = found.get("text", ""), found.get("advice", "")
        return cell(f"{found.get('level', 'note')}: {text} {advice}")
    return cell(found)


def _size(report: SuiteReport) -> str:
    return f"{report.rows['test']:,} in {report.groups:,} groups"


def _environment() -> Environment:
    """Return the templates; nothing is escaped as HTML, so values go through :func:`cell`."""
    templates = Environment(
        loader=PackageLoader("fieldguide.tuning", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["cell"] = cell
    return templates
