"""``fieldguide show``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fieldguide.cli import options, screen


@click.command(cls=options.DomainCommand)
@click.argument("path", metavar="FILE")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write a preview, .jpg.")
@options.domain_options
@options.run_options
def show(path: str, output: Path | None, **settings: Any) -> None:
    """Say how a file is read: size, bands, units, place, spacing. Needs no model.

    \b
    fieldguide show scene.tif --domain remote_sensing
    fieldguide show volume.nii.gz --domain medical -o slice.jpg
    fieldguide show slide.svs --domain medical
    """
    guide = options.make_guide(settings, output)
    sample, preview = guide.show(path)
    facts = dict(sample.metadata)
    click.echo(f"size      {' x '.join(map(str, facts.pop('size_px', sample.size_px)))} px")
    click.echo(screen.clean(f"bands     {', '.join(sample.bands)}"))
    click.echo(f"units     {sample.units}, {sample.array.min()} to {sample.array.max()}")
    click.echo(f"valid     {sample.valid_fraction:.1%}")
    for name, value in facts.items():
        click.echo(screen.clean(f"{name:<9} {_written(value)}"))
    if sample.repairs:
        click.echo(f"repaired  {', '.join(sample.repairs)}")
    for note in sample.notes:
        click.echo(screen.clean(f"note      {note}"))
    if output is not None:
        from fieldguide.data.files import atomic_path  # only when the command runs

        if preview is None:
            raise click.UsageError("There is no preview of such an image.")
        with atomic_path(output) as temporary:
            temporary.write_bytes(preview)


def _written(value: Any) -> str:
    """Return a value for the screen; a mapping, such as one value a band, without its signs.

    >>> _written({"red": 664.6, "nir": 832.8})
    'red 664.6, nir 832.8'
    """
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{key} {part}" for key, part in value.items())
