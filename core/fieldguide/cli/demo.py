"""``fieldguide demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fieldguide.cli import options


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("fieldguide-demo"),
    show_default=True,
    help="The folder for pictures, indexes and the report.",
)
@options.run_options
def demo(output: Path, **settings: Any) -> None:
    """Classify, index and search pictures of every installed domain; write an HTML report."""
    from fieldguide.demo import run_demo  # imports torch, so only when the command runs

    report = run_demo(output, options.make_runtime(settings))
    click.echo(f"Open {report}")
