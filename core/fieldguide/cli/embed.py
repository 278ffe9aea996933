"""``fieldguide embed``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fieldguide.cli import boxes, options, screen


@click.command(cls=options.DomainCommand)
@options.inputs
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="The Parquet file to make or to extend.")  # fmt: skip
@boxes.box_options
@options.domain_options
@options.adapter_options
@options.run_options
def embed(inputs: tuple[str, ...], output: Path, **settings: Any) -> None:
    """Write one vector an image into a Parquet file.

    A killed or interrupted job goes on where it stopped when the same command is given again.
    A finished file is extended: only new and changed images are embedded.

    \b
    fieldguide embed photos/ -o photos.parquet
    fieldguide embed photos/ --boxes md.json -o animals.parquet
    fieldguide classify photos.parquet --label cat --label dog
    """
    report = options.make_guide(settings, output).embed(
        boxes.boxed_inputs(inputs, settings), output
    )
    screen.end_store_job(report, "embedded", quiet=settings["quiet"], strict=settings["strict"])
