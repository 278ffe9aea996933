"""Options that several commands share, and those that domains add to them."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fieldguide.cli import private_words
from fieldguide.runtime import AUTO, PRECISIONS, TORCH, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fieldguide.guides import Guide
    from fieldguide.privacy.names import PrivateNames
    from fieldguide.specs import DomainSpec, OptionSpec

F = TypeVar("F", bound="Callable[..., Any]")

_PREFIX = "domain_option_"
SOURCES_BESIDE = "sources.parquet beside the output"
"""Its folder may be named after a person."""
_TYPES = {"text": click.STRING, "number": click.FLOAT, "flag": click.BOOL}


class DomainCommand(private_words.GuardedCommand):
    """A command to which every installed domain adds its own options.

    Attributes:
        takes_prior: whether what is known beside the images has a say in its answers.
    """

    takes_prior = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then those of the domains, then --help."""
        own = super().get_params(ctx)
        return [*own[:-1], *_domain_options(with_prior=self.takes_prior), *own[-1:]]

    def domain_of(self, args: Sequence[str]) -> str | None:
        """Return the domain whose names are hidden; None for a command that shows all paths."""
        hides = any(parameter.name == "show_paths" for parameter in self.params)
        return super().domain_of(args) if hides else None


class PriorCommand(DomainCommand):
    """A domain's command whose answers a prior can change, such as one of place and season."""

    takes_prior = True


def _domain_options(*, with_prior: bool) -> list[click.Parameter]:
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help

    catalog = get_catalog()
    found: dict[str, tuple[OptionSpec, list[str]]] = {}
    for domain in catalog.domains.usable():
        for option in domain.options:
            if option.of_prior and not with_prior:
                continue
            found.setdefault(option.name, (option, []))[1].append(domain.name)
    return [_click_option(option, owners) for option, owners in found.values()]


def _click_option(option: OptionSpec, owners: Sequence[str]) -> click.Option:
    kind = click.Choice(option.choices) if option.choices else _TYPES[option.type]
    return click.Option(
        [f"--{option.name.replace('_', '-')}", _PREFIX + option.name],
        help=f"[{', '.join(owners)}] {option.help}",
        type=kind,
        is_flag=option.type == "flag",
        default=None,
    )


def chain(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that puts several options on a command, in their order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


inputs = click.argument("inputs", nargs=-1, required=True, metavar="INPUTS...")

model_options = chain(
    click.option("--modality", help="Which of the domain's kinds of image; else by the files."),
    click.option(
        "--model", help="A name from 'models', hf-hub:ORG/NAME, ./FOLDER, or ARCHITECTURE:FILE."
    ),
    click.option(
        "--out-of-scope", is_flag=True, help="Use a model on images it was not made for; marked."
    ),
)

domain_options = chain(
    click.option("--domain", help="See 'plugins'; else that of the adapter, or general."),
    model_options,
    click.option(
        "--root",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Manifests may name files of this folder too, beside their own and the "
        "current one; repeat.",
    ),
    click.option(
        "--show-paths",
        is_flag=True,
        help="Name files in results also where a domain keeps them private.",
    ),
    click.option(
        "--show-column",
        "show_columns",
        multiple=True,
        metavar="NAME",
        help="A column of a manifest that a private domain may show; repeat.",
    ),
)

adapter_options = chain(
    click.option(
        "--adapter", metavar="NAME", help="A name from 'adapters', a folder of 'tune', or a .zip."
    ),
    click.option(
        "--strength",
        type=click.FloatRange(0, 1),
        help="Of the adapter: 0 is the base model, 1 as trained; else as its card says.",
    ),
)

run_options = chain(
    click.option("--device", help="cpu, cuda, cuda:0 ...; else the best there is."),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=None,
        help="Images a step of the model; else by memory.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default=AUTO,
        show_default=True,
        help="Of the image side. auto: bf16 in long jobs where a probe shows that it pays.",
    ),
    click.option(
        "--backend",
        default=TORCH,
        show_default=True,
        metavar="NAME",
        help="What runs the image side: torch, openvino, onnx; see 'plugins'.",
    ),
    click.option("--workers", type=click.IntRange(1), default=None, help="Loading threads."),
    click.option("--offline", is_flag=True, help="Never reach for a network."),
    click.option("--quiet", is_flag=True, help="No progress, no summary; errors only."),
    click.option("--strict", is_flag=True, help="Exit with 1 when any input was skipped."),
)

label_options = chain(
    click.option("--label", "label", multiple=True, help="A label to choose from; repeat."),
    click.option(
        "--labels",
        "labels_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A text file with one label a line.",
    ),
    click.option("--classes", help="A class set by name, or a YAML file."),
    click.option(
        "--template",
        "templates",
        multiple=True,
        help="A prompt with {} for the label, or openai_imagenet for CLIP's 80; repeat.",
    ),
    click.option(
        "--descriptions",
        metavar="SET",
        help="Sentences about the labels in place of prompts: a set by name, or a .yaml, .json or "
        ".csv file. Without labels, its classes are chosen from.",
    ),
    click.option(
        "--prompt-share",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        help="Of the prompts beside --descriptions; 0.5 is the mean of both.",
    ),
)

output_option = click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Write to a file; its ending says the format: .csv .json .parquet .html",
)


calibration_option = click.option(
    "--calibration",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Of findings or taxa: probabilities by a file of 'evaluate --write-calibration'.",
)


def make_runtime(settings: Mapping[str, Any]) -> Runtime:
    """Return how the job runs, from the shared options."""
    if settings.get("quiet"):
        logging.getLogger("fieldguide").setLevel(logging.ERROR)
    if settings.get("offline"):
        os.environ["HF_HUB_OFFLINE"] = "1"
    workers = settings.get("workers")
    return Runtime(
        device=settings.get("device"),
        batch_size=settings.get("batch_size"),
        precision=settings.get("precision", AUTO),
        backend=settings.get("backend", TORCH),
        progress=not settings.get("quiet", False),
        **({} if workers is None else {"workers": workers}),
    )


def make_guide(settings: Mapping[str, Any], beside: Path | None = None) -> Guide:
    """Return the guide that the domain, model, run and plugin options describe.

    Args:
        settings: of the command line.
        beside: an output, beside which a private domain keeps what its ids mean; None for a
            result that only goes to the screen.

    Raises:
        UsageError: an option belongs to another domain.
    """
    given = {
        name.removeprefix(_PREFIX): value
        for name, value in settings.items()
        if name.startswith(_PREFIX) and value is not None
    }
    from fieldguide.guides import Guide  # imports torch, so only when a command runs
    from fieldguide.machine import keep_freed_memory

    keep_freed_memory()  # a command is a process of its own
    guide = Guide(
        settings["domain"],
        modality=settings["modality"],
        model=settings["model"],
        adapter=settings.get("adapter"),
        strength=settings.get("strength"),
        options=given,
        out_of_scope=settings["out_of_scope"],
        runtime=make_runtime(settings),
        roots=settings["root"],
        show_paths=settings["show_paths"],
        show_columns=settings["show_columns"],
    )
    if (context := click.get_current_context(silent=True)) is not None:
        private_words.keep_out(context, guide.private)  # where an adapter says the domain
    _check_options(given, guide.domain)
    if beside is not None:
        guide.keep_sources_beside(beside)
    if not settings.get("quiet"):
        say_sources(guide.private)
    return guide


def say_sources(private: PrivateNames | None) -> None:
    """Say where the names of private files are kept, and how to look one up."""
    if private is not None:
        place, option = (
            (SOURCES_BESIDE, " --in FOLDER") if private.is_beside else (private.file, "")
        )
        click.echo(
            f"files are called by ids; their names are kept in {place}, for you alone. "
            f"Look one up: fieldguide sources ID{option}",
            err=True,
        )


def _check_options(given: Iterable[str], domain: DomainSpec) -> None:
    for name in given:
        if name not in {option.name for option in domain.options}:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is no option of the domain {domain.name!r}. "
                "Name the --domain it belongs to."
            )


def chosen_labels(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a guide's methods that say what to choose from."""
    from fieldguide.zeroshot.class_sets import read_labels  # pydantic and yaml only when used

    labels = list(settings["label"])
    if settings["labels_file"] is not None:
        labels += read_labels(settings["labels_file"])
    return {
        "labels": labels or None,
        "classes": settings["classes"],
        "templates": list(settings["templates"]) or None,
        "descriptions": settings["descriptions"],
        "prompt_share": settings["prompt_share"],
    }
