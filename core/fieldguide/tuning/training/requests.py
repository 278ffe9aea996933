"""What a user may say of a training, in records by what it is about; every name is in one of them.

Settings come as names with values from Python and from the command line alike, so that both know
the same ones and refuse the same mistakes.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from fieldguide.errors import UsageError
from fieldguide.registry_records import Licence
from fieldguide.specs import Record, list_faults
from fieldguide.tuning.pareto import BestMean, Fixed, Rule, WithinLoss
from fieldguide.tuning.rows import CAPTIONS, LABEL, SPLIT
from fieldguide.tuning.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fieldguide.tuning.training.fits import Tuner


class Reading(Record):
    """How the manifest is read; see ``fieldguide.tuning.examples.read_examples``."""

    label_column: str = LABEL
    caption_column: str = CAPTIONS
    converter: str | None = None
    group_column: str | None = None
    split_column: str = SPLIT
    attribute_columns: tuple[str, ...] = ()
    positive_columns: tuple[str, ...] = ()
    texts: Path | None = None
    where: str | None = None
    classes: str | None = None
    templates: tuple[str, ...] | None = None


class Measuring(Record):
    """How gain and loss are measured, and which strength is picked.

    Attributes:
        general: manifests of general pictures; without any a tiny drawn set stands for them.
        sister: manifests of other domains, by the domain's name and "=".
        replay: a manifest of general pictures whose train rows are trained with.
        max_loss: pick the best strength whose loss on every general set is at most this share.
        best_mean: pick the strength with the best mean of domain and general scores.
        pick_strength: this strength; the default is 1.
        measure: False leaves all of it out, and the card says so.
    """

    general: tuple[str, ...] = ()
    sister: tuple[str, ...] = ()
    replay: str | None = None
    max_loss: float | None = Field(default=None, ge=0, le=1)
    best_mean: bool = False
    pick_strength: float | None = Field(default=None, ge=0, le=1)
    measure: bool = True

    def rule(self) -> Rule:
        """Return what picks the strength.

        Raises:
            UsageError: more than one rule is asked for.
        """
        asked = [self.max_loss is not None, self.best_mean, self.pick_strength is not None]
        if sum(asked) > 1:
            raise UsageError("--max-loss, --best-mean and --pick-strength: name one of them.")
        if self.max_loss is not None:
            return WithinLoss(self.max_loss)
        return BestMean() if self.best_mean else Fixed(
            1.0 if self.pick_strength is None else self.pick_strength
        )  # fmt: skip


class Publishing(Record):
    """What the card says of the adapter beside what was measured.

    Attributes:
        name: of the adapter; None for that of its folder.
        summary: one line; None for one that is made.
        licence: SPDX, or ``LicenseRef-`` and a name; that of the data and of the base count.
        licence_limits: what one may not do with it, in plain words.
        research_only: True when it may be used for research or non-commercially only.
        source: where the data come from, in words.
    """

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][\w.-]{0,99}$")
    summary: str | None = None
    licence: Licence = "LicenseRef-unknown"
    licence_limits: str = ""
    research_only: bool = False
    source: str = ""


class Running(Record):
    """How the training runs here; what it learns does not depend on it.

    Attributes:
        resume: go on from the last checkpoint, if there is one.
        dry_run: read and check everything, say what it would take, and end.
        checkpoint_s: seconds between two checkpoints.
        keep_gb: room for kept outputs of frozen stages; more than that is computed in every step.
        frozen: a folder of kept outputs that several trainings share.
        tensorboard: a folder for TensorBoard's event files.
        allow: codes of findings in the data that are to stop nothing.
        compare: whether the pictures are compared to find copies in two splits.
        command: that is noted in the card.
    """

    resume: bool = False
    dry_run: bool = False
    checkpoint_s: float = Field(default=60.0, ge=0)
    keep_gb: float = Field(default=8.0, ge=0)
    frozen: Path | None = None
    tensorboard: Path | None = None
    allow: tuple[str, ...] = ()
    compare: bool = True
    command: str = ""


class Picturing(Record):
    """How pictures are fitted to what the model takes.

    Attributes:
        resize: another way of fitting sizes than the base's; None for the base's.
    """

    resize: Literal["squash", "center_crop", "pad"] | None = None


class Request(Record):
    """All that was said, by what it is about.

    Attributes:
        method: name of the tuner.
        tuner: its settings, as plain values.
    """

    method: str
    tuner: dict[str, Any]
    training: TrainingSettings
    reading: Reading
    picturing: Picturing
    measuring: Measuring
    publishing: Publishing
    running: Running


RECORDS: Mapping[str, type[Record]] = {
    "training": TrainingSettings,
    "reading": Reading,
    "picturing": Picturing,
    "measuring": Measuring,
    "publishing": Publishing,
    "running": Running,
}


def make_request(
    method: str, make_tuner: Callable[..., Tuner], settings: Mapping[str, Any]
) -> tuple[Request, Tuner]:
    """Sort settings into their records.

    Args:
        method: name of the tuner.
        make_tuner: its record's class; what no other record knows is its own.
        settings: by name; None means that nothing was said.

    Raises:
        UsageError: a name is unknown, or a value is not possible.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    sorted_: dict[str, dict[str, Any]] = {kind: {} for kind in (*RECORDS, "tuner")}
    for name, value in given.items():
        owner = next((k for k, record in RECORDS.items() if name in record.model_fields), "tuner")
        sorted_[owner][name] = value
    tuner_fields = getattr(make_tuner, "model_fields", None)
    if tuner_fields is not None:
        _check_known(sorted_["tuner"], method, tuple(tuner_fields))
    tuner = _made(make_tuner, sorted_["tuner"])
    parts = {kind: _made(record, sorted_[kind]) for kind, record in RECORDS.items()}
    plain = tuner.model_dump() if isinstance(tuner, Record) else dict(sorted_["tuner"])
    return Request(method=method, tuner=plain, **parts), tuner


def _check_known(given: Mapping[str, Any], method: str, known: tuple[str, ...]) -> None:
    every = (*known, *(name for record in RECORDS.values() for name in record.model_fields))
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, every, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(
                f"{name!r} is no setting of the method {method!r}.{hint} It has: "
                f"{', '.join(known) or 'none of its own'}."
            )


def _made(make: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    try:
        return make(**values)
    except ValidationError as error:
        raise UsageError(f"{list_faults(error)}. Correct the setting.") from error
