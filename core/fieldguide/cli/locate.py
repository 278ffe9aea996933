"""``fieldguide locate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, screen
from fieldguide.cli.better_model import say_better_model

if TYPE_CHECKING:
    from fieldguide.localization.result import Regions


@click.command(cls=options.DomainCommand)
@click.argument("scene", metavar="SCENE")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--output", "-o", "outputs", multiple=True, type=click.Path(path_type=Path),
              help="Write to a file; repeat for several. Its ending says what: .geojson .parquet "
              ".csv .json: regions; .tif .nii.gz: heat map, .slices.csv; .png: picture."
              )  # fmt: skip
@click.option("--against", multiple=True, metavar="TEXT",
              help="What it is told from; scores are then probabilities. Repeat.")  # fmt: skip
@click.option("--window", "windows", multiple=True, metavar="SIZE",
              help="Side of a window: 224 (pixels), 600m, 60mm, 64x64x12; repeat for several. "
              "[default: what the model takes]")  # fmt: skip
@click.option("--overlap", type=click.FloatRange(0, 0.9), default=0.5, show_default=True,
              help="Of neighbouring windows.")  # fmt: skip
@click.option("--top", type=click.IntRange(1), default=20, show_default=True,
              help="How many regions for each text.")  # fmt: skip
@click.option("--threshold", type=float, help="Leave out regions with a lower score.")
@click.option("--template", "templates", multiple=True,
              help="A prompt with {} for the text; repeat.")  # fmt: skip
@click.option("--vectors", type=click.Path(path_type=Path), metavar="FOLDER",
              help="In which SCENE.windows keeps the vectors of windows; else here.")  # fmt: skip
@options.domain_options
@options.adapter_options
@options.run_options
def locate(  # noqa: PLR0913 - one argument an option
    scene: str, texts: tuple[str, ...], outputs: tuple[Path, ...], windows: tuple[str, ...],
    overlap: float, top: int, threshold: float | None, vectors: Path | None, **settings: Any,
) -> None:  # fmt: skip
    """Find where in a large raster, picture or volume something is.

    SCENE is a file, folder or glob. Overlapping windows of it are embedded once; a killed run goes
    on where it stopped, and another TEXT takes seconds. Regions do not overlap; without --against
    a score is a cosine, which only ranks.

    \b
    fieldguide locate scene.tif "solar farm" --domain remote_sensing -o found.geojson -o heat.tif
    fieldguide locate scene.tif airport --domain remote_sensing --window 600m --against forest
    """
    guide = options.make_guide(settings, *outputs[:1])
    from fieldguide.data.manifest_windows import columns_of
    from fieldguide.writers import writer_for  # fail before the work, not after it

    for output in outputs:
        writer_for(output, "regions", guide.catalog, guide.domain.name)
    found = guide.locate(
        scene,
        texts,
        against=settings["against"],
        templates=settings["templates"] or None,
        windows=windows,
        overlap=overlap,
        top=top,
        threshold=threshold,
        vectors=vectors,
    )
    if not outputs and len(found):
        where = tuple(columns_of(found[0].window))
        screen.print_table(found.records(), ("query", "rank", "score", *where, "path"))
    for output in outputs:
        found.write(output)
    _end(found, outputs, settings)


def _end(found: Regions, outputs: tuple[Path, ...], settings: dict[str, Any]) -> None:
    """Say what was searched, and end with the exit code."""
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help

    screen.print_failures(found.skipped)
    for source in found.sources:
        if source.failed:
            reason = f"{source.failed} windows could not be read: {source.faults[0]}"
            screen.print_failures([(source.path, "partly read", reason)])
    if not settings["quiet"]:
        windows = sum(len(grid) for source in found.sources for grid in source.grids)
        empty = sum(source.empty for source in found.sources)
        where = f"; written to {', '.join(map(str, outputs))}" if outputs else ""
        click.echo(
            f"{len(found)} regions in {windows} windows ({empty} without data) of "
            f"{len(found.sources)} sources{where}",
            err=True,
        )
        if found.sources and settings["model"] is None and settings["adapter"] is None:
            made = found.provenance
            say_better_model(get_catalog(), made["modality"], (made["model"] or {}).get("name"))
    failed = len(found.skipped) + sum(source.failed > 0 for source in found.sources)
    total = len(found.sources) + len(found.skipped)
    code = screen.exit_code(total, failed, strict=settings["strict"])
    if code == screen.NONE_USABLE and found.sources and not settings["strict"]:
        code = screen.SOME_SKIPPED
    raise click.exceptions.Exit(code)
