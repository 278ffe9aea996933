"""``fieldguide adapters``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import adapter_texts, screen

if TYPE_CHECKING:
    from fieldguide.doctor.checks import Check

strength_option = click.option(
    "--strength", type=click.FloatRange(0, 1), help="0 to 1; else as the adapter's card says."
)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group(invoke_without_command=True)
@click.pass_context
def adapters(context: click.Context) -> None:
    """List, show, check, export, merge and add adapters.

    An adapter A is a name of the list, a folder that 'tune' wrote, or a .zip of 'export'.

    \b
    fieldguide adapters
    fieldguide adapters check ./my_adapter
    fieldguide adapters export ./my_adapter --output my_adapter.zip
    """
    if context.invoked_subcommand is None:
        context.invoke(list_adapters, folders=(), as_json=False)


@adapters.command("list")
@click.argument("folders", nargs=-1, metavar="[FOLDERS...]", type=click.Path(path_type=Path))
@json_option
def list_adapters(folders: tuple[Path, ...], as_json: bool) -> None:
    """List the installed adapters, and those in FOLDERS."""
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help

    records = get_catalog().registry.adapters
    rows = [adapter_texts.registered_row(record) for record in records]
    if folders:
        from fieldguide.tuning.adapter_lists import adapters_in  # imports torch

        rows += [row for folder in folders for row in adapters_in(folder)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    elif rows:
        screen.print_table(rows, adapter_texts.COLUMNS)
    else:
        click.echo("No adapter is installed.")


@adapters.command()
@click.argument("adapter", metavar="A")
@json_option
def show(adapter: str, as_json: bool) -> None:
    """Show the card of an adapter and what its record says."""
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help
    from fieldguide.tuning.adapter_files import find_source, read_adapter  # imports torch
    from fieldguide.tuning.adapter_lists import card_of

    source = find_source(adapter, get_catalog())
    found = read_adapter(source)
    if as_json:
        said: dict[str, Any] = found.config.model_dump(mode="json")
        click.echo(json.dumps(said | {"digest": found.digest}, ensure_ascii=False, indent=2))
        return
    if card := card_of(source):
        click.echo(screen.clean_lines(card))
    for line in adapter_texts.detail_lines(found):
        click.echo(screen.clean(line))


@adapters.command()
@click.argument("adapter", metavar="A")
@click.option("--model", help="The base model, where it is not where the adapter says.")
@click.option("--quiet", is_flag=True, help="Only what is wrong.")
def check(adapter: str, model: str | None, quiet: bool) -> None:
    """Check the files of an adapter, its base model, and that it changes vectors.

    Exits with 1 when something is wrong.
    """
    from fieldguide.doctor.adapter import adapter_checks  # imports torch
    from fieldguide.plugins import get_catalog

    found = list(adapter_checks(adapter, get_catalog(), model))
    for line in found:
        if not quiet or line.status in ("warn", "fail"):
            _print(line)
    raise click.exceptions.Exit(int(any(line.status == "fail" for line in found)))


@adapters.command()
@click.argument("adapter", metavar="A")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="A .zip, or a folder to unpack a .zip into; a new one.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No summary; errors only.")
def export(adapter: str, output: Path, quiet: bool) -> None:
    """Write a checked adapter to one .zip file, or a .zip to a folder."""
    from fieldguide.plugins import get_catalog
    from fieldguide.tuning.adapter_files import export_adapter  # imports torch

    _say(f"written to {export_adapter(adapter, output, get_catalog())}", quiet=quiet)


@adapters.command()
@click.argument("adapter", metavar="A")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="A new folder, which --model and open_clip load.")  # fmt: skip
@click.option("--model", help="The base model, where it is not where the adapter says.")
@strength_option
@click.option("--quiet", is_flag=True, help="No summary; errors only.")
def merge(
    adapter: str, output: Path, model: str | None, strength: float | None, quiet: bool
) -> None:
    """Write the base model with the adapter merged in, as an open_clip folder of safetensors."""
    from fieldguide.plugins import get_catalog
    from fieldguide.tuning.adapter_choice import choose_adapter, load_base  # imports torch
    from fieldguide.tuning.merging import export_merged

    catalog = get_catalog()
    chosen = choose_adapter(adapter, strength, catalog)
    if chosen is None:
        raise click.UsageError("Name an adapter.")
    export_merged(load_base(chosen, catalog, model), chosen, output)
    _say(f"written to {output}; use it: --model {output.resolve()}", quiet=quiet)


@adapters.command()
@click.argument("names", nargs=-1, required=True, metavar="A B...")
@click.option("--weight", "weights", multiple=True, type=float,
              help="Of each adapter, in their order; else 1 each.")  # fmt: skip
@click.option("--name", default="combined", show_default=True, help="Of the sum.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="The folder of the sum; a new one.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No summary; errors only.")
def combine(
    names: tuple[str, ...], weights: tuple[float, ...], name: str, output: Path, quiet: bool
) -> None:
    """Add adapters of one base model, each times a weight, to one adapter.

    Nobody has measured the sum yet: do that with 'evaluate'.
    """
    from fieldguide.plugins import get_catalog
    from fieldguide.tuning.adapter_files import load_adapter, save_adapter  # imports torch
    from fieldguide.tuning.combine import combine as add_up

    if output.exists():
        raise click.UsageError(f"{output} exists. Name a new --output.")
    catalog = get_catalog()
    parts = [load_adapter(part, catalog) for part in names]
    save_adapter(add_up(parts, list(weights) or None, name=name), output)
    _say(f"written to {output}; measure it: fieldguide evaluate MANIFEST --adapter {output}",
         quiet=quiet)  # fmt: skip


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        click.echo(text, err=True)


def _print(line: Check) -> None:
    click.echo(screen.clean(f"{line.status:<8}  {line.name:<16}  {line.found}"))
    if line.fix:
        click.echo(screen.clean(f"          -> {line.fix}"))
