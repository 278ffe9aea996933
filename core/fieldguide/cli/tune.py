"""``fieldguide tune``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, screen
from fieldguide.errors import UsageError
from fieldguide.runtime import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.tuning.training.run import Outcome

RUN_OPTIONS = ("workers", "device", "offline", "quiet")
PLACES = ("-o", "--output", "--frozen", "--tensorboard", "--checkpoint-s", "--keep-gb", "--workers")
"""Options with a value that the result does not depend on."""
SKIPPED = ("unreadable", "left_out")
"""Codes of findings that say of rows that they were not used."""
GUIDE_OPTIONS = ("domain", "modality", "model", "root", "show_paths", "show_columns")


def _folder(name: str, text: str) -> Callable[[Any], Any]:
    return click.option(name, type=click.Path(path_type=Path, file_okay=False), help=text)


method_options = options.chain(
    click.option("--method", default="lora", show_default=True, metavar="NAME",
                 help="lora, finetune, projector, probe, or that of a plugin."),
    click.option("--loss", metavar="NAME", help="The objective, see docs/losses.md; else "
                 "multi_positive."),
    click.option("--rank", type=click.IntRange(1), help="[lora] Of the changes; else 16."),
    click.option("--alpha", type=float, help="[lora] Changes count alpha / rank; else 2 rank."),
    click.option("--dropout", type=click.FloatRange(0, 1, max_open=True),
                 help="[lora] Of what enters a change; else 0."),
    click.option("--tower", "towers", multiple=True, type=click.Choice(["image", "text"]),
                 help="[lora, finetune] What trains; else image. Repeat for both."),
    click.option("--role", "roles", multiple=True, metavar="ROLE",
                 help="[lora] Layers of this role only, such as mlp_in; repeat."),
    click.option("--last-blocks", type=click.IntRange(1), help="[lora] Else all blocks."),
    click.option("--last-stages", type=click.IntRange(1), help="[finetune] Else 2."),
    click.option("--epochs", type=click.FloatRange(0, min_open=True),
                 help="[lora, finetune] Passes over the train rows."),
    click.option("--learning-rate", type=click.FloatRange(0, min_open=True),
                 help="[lora, finetune] The largest; else 5e-4 for lora, 1e-4 for finetune."),
    click.option("--projection-epochs", type=click.FloatRange(0),
                 help="Passes in which only the maps into the shared space train; 0 for none."),
    click.option("--projection-rate", type=click.FloatRange(0, min_open=True),
                 help="The largest learning rate of these maps."),
    click.option("--feature-dropout", type=click.FloatRange(0, 1, max_open=True),
                 help="Of the features that enter them."),
    click.option("--set", "others", multiple=True, metavar="NAME=VALUE",
                 help="A setting without an option of its own, of a plugin's method too; repeat."),
)  # fmt: skip

data_options = options.chain(
    click.option("--label-column", help="Holds the class; else label."),
    click.option("--caption-column", help="Holds a text or a list of texts; else captions."),
    click.option("--converter", metavar="NAME", help="Makes captions from each row instead."),
    click.option("--group-column", help="Rows that share its value stay in one split."),
    click.option("--split-column", help="Holds train, val, test; else split. Made where missing."),
    click.option("--attribute-column", "attribute_columns", multiple=True,
                 help="Numbers -1 to 1 for soft targets; repeat."),
    click.option("--positive-column", "positive_columns", multiple=True,
                 help="Rows that agree in all of these are positives of each other; repeat."),
    click.option("--texts", metavar="MANIFEST", help="Texts that belong to no picture; the "
                 "attribute columns, which both have, join them. For the loss medclip."),
    click.option("--where", help='Only these rows, such as: year > 2019'),
    click.option("--classes", help="A class set by name, or a YAML file: names and prompts."),
    click.option("--template", "templates", multiple=True,
                 help="A prompt with {} for the label; repeat."),
    click.option("--symmetries", type=click.Choice(["none", "mirror", "all"]),
                 help="Under which a picture stays what it is; else as its modality says."),
    click.option("--resize", type=click.Choice(["squash", "center_crop", "pad"]),
                 help="How pictures are fitted; else as the base does."),
    click.option("--allow", multiple=True, metavar="CODE",
                 help="Go on in spite of this finding in the data, such as group_leak; repeat."),
    click.option("--no-compare", "compare", flag_value=False, type=bool, default=None,
                 help="Do not look for copies in two splits."),
)  # fmt: skip

loop_options = options.chain(
    click.option("--batch-size", type=click.IntRange(2), help="Images a step; else 128."),
    click.option("--micro-batch", type=click.IntRange(1), help="Images in memory at once; the "
                 "gradient stays that of the whole batch."),
    click.option("--accumulate", type=click.IntRange(1), help="Batches a step; else 1."),
    click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="Else fp32."),
    click.option("--schedule", type=click.Choice(["cosine", "linear", "constant"]),
                 help="Of the learning rate; else cosine."),
    click.option("--weight-decay", type=click.FloatRange(0), help="Else 0."),
    click.option("--label-weight", type=click.FloatRange(0), help="Of the class prompts; else 1."),
    click.option("--caption-weight", type=click.FloatRange(0), help="Of captions; else 1."),
    click.option("--scale", type=click.FloatRange(0, min_open=True), help="What cosines are "
                 "multiplied by in training; else the base's own, or that of the loss."),
    click.option("--checks", type=click.IntRange(1), help="Looks at val a phase; else 8."),
    click.option("--patience", type=click.IntRange(1),
                 help="Looks without a better score after which a phase ends; else none."),
    click.option("--seed", type=click.IntRange(0), help="Decides every draw; else 0."),
)  # fmt: skip

measure_options = options.chain(
    click.option("--general", multiple=True, metavar="MANIFEST",
                 help="General pictures to measure forgetting on; repeat. Else a tiny drawn set."),
    click.option("--sister", multiple=True, metavar="DOMAIN=MANIFEST",
                 help="Pictures of another domain likewise; repeat."),
    click.option("--replay", metavar="MANIFEST", help="General pictures whose train rows are "
                 "trained with, against forgetting."),
    click.option("--replay-share", type=click.FloatRange(0, 1), help="Of a batch; else 0.25."),
    click.option("--max-loss", type=click.FloatRange(0, 1), help="Pick the best strength that "
                 "loses at most this share on every general set, such as 0.02."),
    click.option("--best-mean", is_flag=True, default=None, help="Pick the strength with the best "
                 "mean of domain and general scores."),
    click.option("--pick-strength", type=click.FloatRange(0, 1), help="Else 1, as trained."),
    click.option("--no-measure", "measure", flag_value=False, type=bool, default=None,
                 help="Measure nothing; the card says so."),
)  # fmt: skip

card_options = options.chain(
    click.option("--name", help="Of the adapter; else that of its folder."),
    click.option("--summary", help="One line for lists."),
    click.option("--licence", help="SPDX, or LicenseRef-NAME; that of the base is added."),
    click.option("--licence-limits", help="What one may not do with it."),
    click.option("--research-only", is_flag=True, default=None, help="For research use only."),
    click.option("--source", help="Where the data come from, in words."),
)  # fmt: skip

job_options = options.chain(
    click.option("--dry-run", is_flag=True, help="Check the data, say time and memory, and end."),
    click.option("--resume", is_flag=True, help="Go on with a training that was cut."),
    click.option("--checkpoint-s", type=click.FloatRange(0), help="Between two; else 60."),
    click.option("--keep-gb", type=click.FloatRange(0),
                 help="Room on disk for outputs of frozen stages; else 8."),
    _folder("--frozen", "Keeps these outputs, for several trainings on the same pictures."),
    _folder("--tensorboard", "For TensorBoard's event files."),
    click.option("--workers", type=click.IntRange(1), help="Threads that read pictures."),
    click.option("--device", help="cpu, cuda, cuda:0 ...; else the best there is."),
    click.option("--offline", is_flag=True, help="Never reach for a network."),
    click.option("--quiet", is_flag=True, help="No progress, no summary; errors only."),
)  # fmt: skip


@click.command(cls=options.DomainCommand)
@click.argument("manifest", metavar="MANIFEST_OR_FOLDER")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The adapter's folder, a new "
              "one; else the manifest's name and the method.")  # fmt: skip
@method_options
@data_options
@loop_options
@measure_options
@card_options
@job_options
@options.domain_options
def tune(manifest: str, output: Path | None, **settings: Any) -> None:
    """Train an adapter on your own labels or captions, and say what it gained and cost.

    MANIFEST is a CSV or JSONL file with a path and a label, captions or both in each row; a FOLDER
    has one folder a class, maybe within train, val and test. Splits that are missing are made.

    \b
    fieldguide tune scenes.csv --domain remote_sensing -o ./my_adapter --dry-run
    fieldguide tune scenes.csv --domain remote_sensing -o ./my_adapter
    fieldguide classify new/ --adapter ./my_adapter

    The same command runs in several processes, on one machine or many:

    \b
    torchrun --nproc_per_node 2 -m fieldguide tune scenes.csv -o ./my_adapter

    Ends with 3 where rows were left out that cannot be used.
    """
    quiet = settings["quiet"]
    # batch size and precision are those of the training, not of a guide's work
    guide = options.make_guide(settings | {"precision": AUTO, "batch_size": None}, output)
    known = {*GUIDE_OPTIONS, *RUN_OPTIONS, "out_of_scope", "others", "method"}
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if name not in known and value not in (None, ()) and not name.startswith("domain_option_")
    }
    given |= dict(map(_setting, settings["others"]))
    given["command"] = _command()
    try:
        outcome = guide.tune(
            manifest,
            output,
            method=settings["method"],
            tell=(lambda _: None)
            if quiet
            else lambda line: click.echo(screen.clean(line), err=True),
            **given,
        )
    except KeyboardInterrupt:
        click.echo("Interrupted. Go on with the same command and --resume.", err=True)
        raise click.exceptions.Exit(130) from None
    if not quiet:
        _say(outcome)
    if _has_skipped(outcome):
        raise click.exceptions.Exit(screen.SOME_SKIPPED)


def _has_skipped(outcome: Outcome) -> bool:
    """Return whether rows were left out; torchrun takes any other code than 0 for a crash."""
    adapter = outcome.adapter
    alone = adapter is None or adapter.config.settings.get("processes") == 1
    return alone and any(found.code in SKIPPED for found in outcome.honesty.findings)


def _say(outcome: Outcome) -> None:
    """Print gain and loss, and what to do next."""
    adapter, assessment = outcome.adapter, outcome.assessment
    if adapter is None:
        return
    strength = adapter.config.strength
    if assessment is not None:
        for line in assessment.lines(strength):
            click.echo(screen.clean(line))
        click.echo(f"strength {strength:g} of 1; card.md has the others")
    click.echo(f"written to {outcome.output}", err=True)
    click.echo(f"use it: fieldguide classify PICTURES --adapter {shlex.quote(str(outcome.output))}",
               err=True)  # fmt: skip


def _setting(text: str) -> tuple[str, Any]:
    """Return the name and value of NAME=VALUE; the value is read as YAML reads one."""
    import yaml

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--set {text} is not NAME=VALUE, such as --set clip_norm=0.5")
    try:
        return name.strip().replace("-", "_"), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(
            f"--set {text} has a value that cannot be read. Write a number."
        ) from error


def _command() -> str:
    """Return the command that makes the adapter again, without what only this run needs."""
    words = iter(sys.argv[1:])
    kept = ["fieldguide"]
    for word in words:
        name, equals, _ = word.partition("=")
        if name in PLACES:
            _ = equals or next(words, None)  # its value is the next word, or stands behind "="
        elif word not in ("--resume", "--quiet"):
            kept.append(word)
    return shlex.join([*kept, "-o", "ADAPTER"])
