"""``fieldguide benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import benchmark_texts, options, screen

if TYPE_CHECKING:
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.plugins import Catalog


@click.command(cls=options.DomainCommand)
@click.argument("name", required=False)
@click.option("--list", "list_all", is_flag=True, help="List the benchmarks.")
@click.option("--domain", help="List those of this domain only; a benchmark knows its own.")
@click.option(
    "--how-to-get", is_flag=True, help="Where the data come from, licence, layout, what to type."
)
@click.option(
    "--root", type=click.Path(path_type=Path), metavar="FOLDER", help="Of the data set, as given."
)
@click.option(
    "--subset", is_flag=True, help="Measure on what is there; beside no published figure."
)
@options.output_option
@options.model_options
@options.adapter_options
@options.run_options
def benchmark(
    name: str | None,
    root: Path | None,
    output: Path | None,
    *,
    domain: str | None,
    list_all: bool,
    how_to_get: bool,
    **settings: Any,
) -> None:
    """Measure a model on a public data set, by a published protocol, beside published figures.

    The data set lies in FOLDER in the layout in which its owners give it away.

    \b
    fieldguide benchmark --list --domain remote_sensing
    fieldguide benchmark eurosat_zero_shot --how-to-get
    fieldguide benchmark eurosat_zero_shot --root data/ --model remoteclip_vit_l_14 -o report.html
    """
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help

    catalog = get_catalog()
    if list_all:
        _print_list(catalog, domain)
        return
    if name is None:
        raise click.UsageError("Name a benchmark: 'fieldguide benchmark --list' shows them.")
    if how_to_get:
        _print_how_to_get(name, catalog)
        return
    spec = catalog.benchmarks[name]
    if root is None:
        raise click.UsageError(
            f"Name the folder of the data set: --root FOLDER. How to get it: fieldguide benchmark "
            f"{name} --how-to-get"
        )
    if output is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(output, "benchmark", catalog)
    public = {"domain": spec.domain, "root": (), "show_paths": True, "show_columns": ()}
    guide = options.make_guide(settings | public)
    _end(guide.benchmark(name, root, subset=settings["subset"]), output, settings)


def _print_list(catalog: Catalog, domain: str | None) -> None:
    known = None if domain is None else catalog.domains[domain].name
    specs = [spec for spec in catalog.benchmarks.usable() if known in (None, spec.domain)]
    titles = {record.name: record.title or record.name for record in catalog.registry.datasets}
    for line in benchmark_texts.list_lines(specs, titles):
        click.echo(line)


def _print_how_to_get(name: str, catalog: Catalog) -> None:
    """Print how to get the data set of a benchmark, which may be named by the data set too."""
    specs = catalog.benchmarks.usable()
    sets = {spec.dataset for spec in specs}
    dataset = name if name in sets else catalog.benchmarks[name].dataset
    names = [spec.name for spec in specs if spec.dataset == dataset]
    for line in benchmark_texts.how_to_get_lines(catalog.registry.dataset(dataset), names):
        click.echo(line)


def _end(report: BenchmarkReport, output: Path | None, settings: dict[str, Any]) -> None:
    """Print or write a report, and end the command with its exit code."""
    if output is not None:
        report.write(output)
    if not settings["quiet"] or output is None:
        click.echo(f"{report.benchmark}: {report.model}; {report.coverage} images")
        rows = [benchmark_texts.figure_row(figure) for figure in report.figures]
        screen.print_table(rows, benchmark_texts.COLUMNS)
    if not settings["quiet"]:
        for line in benchmark_texts.report_lines(report):
            click.echo(screen.clean(line))
    screen.print_failures((row["path"], row["status"], row["reason"]) for row in report.failed)
    failed = len(report.failed)
    total = report.coverage.used + failed
    raise click.exceptions.Exit(screen.exit_code(total, failed, strict=settings["strict"]))
