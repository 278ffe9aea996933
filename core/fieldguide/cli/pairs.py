"""``fieldguide pairs``: image-text pairs of a domain out of pairs of anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, screen
from fieldguide.cli.better_model import say_better_model

if TYPE_CHECKING:
    from fieldguide.pairs.stages import PairReport

COLUMNS = ("stage", "before", "removed", "left")


@click.group()
def pairs() -> None:
    """Make image-text pairs of a domain out of pairs of anything: unpack, then filter."""


@pairs.command()
@click.argument("tars", nargs=-1, required=True, metavar="TARS...",
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="A new folder for the pictures and pairs.jsonl.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No summary; errors only.")
@click.option("--strict", is_flag=True, help="Exit with 1 when any sample was left out.")
def unpack(tars: tuple[Path, ...], output: Path, *, quiet: bool, strict: bool) -> None:
    """Write the pictures and texts of webdataset tars, such as RS5M's, into a folder.

    \b
    fieldguide pairs unpack pub11-train-0000.tar -o pub11/
    """
    from fieldguide.pairs.unpack import unpack_tars  # only when the command runs

    found = unpack_tars(tars, output)
    screen.print_failures((name, "skipped", reason) for name, reason in found.faults)
    if not quiet:
        click.echo(f"{found.pairs} pairs in {found.manifest}, {len(found.faults)} left out",
                   err=True)  # fmt: skip
    total = found.pairs + len(found.faults)
    raise click.exceptions.Exit(screen.exit_code(total, len(found.faults), strict=strict))


@pairs.command("filter", cls=options.DomainCommand)
@click.argument("manifest", metavar="MANIFEST")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="A manifest of what is kept: .jsonl")  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path),
              help="What became of every row and why: .csv .json .parquet")  # fmt: skip
@click.option("--words", type=click.Path(path_type=Path), metavar="FILE",
              help="Keywords and texts in YAML; else those of the domain.")  # fmt: skip
@click.option("--caption-column", help="With the texts; else caption, captions or text.")
@click.option("--min-side", type=click.IntRange(1), default=64, show_default=True,
              help="The shorter side of a picture that is kept, in pixels.")  # fmt: skip
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="The domain's probability from which on a picture is kept.")  # fmt: skip
@options.domain_options
@options.adapter_options
@options.run_options
def filter_command(manifest: str, output: Path, report: Path | None, **settings: Any) -> None:
    """Keep the rows of a manifest that are pairs of a domain; say why the others are not.

    In turn: no keyword in the text; unreadable, too small or of one colour; seen before; by the
    model's word something else. A probe as --adapter is a detector: its labels go into --words.

    \b
    fieldguide pairs filter pub11/pairs.jsonl --domain remote_sensing --model remoteclip_vit_l_14 \\
        -o kept.jsonl --report why.csv
    """
    if output.suffix.lower() != ".jsonl":
        raise click.UsageError(f"--output {output} must end in .jsonl.")
    guide = options.make_guide(settings, output)
    if report is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(report, "pairs", guide.catalog, guide.domain.name)
    from fieldguide.pairs.domain_pairs import filter_pairs, write_kept
    from fieldguide.pairs.words import read_words

    found = filter_pairs(
        guide,
        manifest,
        None if settings["words"] is None else read_words(settings["words"]),
        caption_column=settings["caption_column"],
        min_side_px=settings["min_side"],
        threshold=settings["threshold"],
    )
    write_kept(found, output)
    if report is not None:
        found.write(report)
    if not settings["quiet"] and settings["model"] is None and settings["adapter"] is None:
        facts = found.provenance
        model = (facts.get("model") or {}).get("name")
        say_better_model(guide.catalog, facts.get("modality"), model)
    _end(found, output, quiet=settings["quiet"], strict=settings["strict"])


@pairs.command("regions", cls=options.DomainCommand)
@click.argument("manifest", metavar="MANIFEST")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="A manifest of regions with their sentences: .jsonl")  # fmt: skip
@click.option("--attribute-column", "attribute_columns", multiple=True, required=True,
              help="1 where the image has it, -1 where it lacks it; repeat.")  # fmt: skip
@click.option("--group-column", help="The image or study that a region is of; else path.")
@click.option("--caption-column", help="With the image's text; else captions.")
@click.option("--classes", help="A class set with other names of the attributes.")
@options.domain_options
@options.adapter_options
@options.run_options
def regions_command(
    manifest: str, output: Path, attribute_columns: tuple[str, ...], **settings: Any
) -> None:
    """Give the findings of a text to the regions of its image that they are about.

    Each row is a region: a window of a picture (row_px, column_px, height_px, width_px), or a file
    of its own such as a slice or a crop of an organ. What an image has is known, where it has it
    is not; that is learned from all images. Then: fieldguide tune pairs.jsonl

    \b
    fieldguide pairs regions windows.csv --attribute-column ship --attribute-column pier \\
        -o pairs.jsonl
    """
    if output.suffix.lower() != ".jsonl":
        raise click.UsageError(f"--output {output} must end in .jsonl.")
    guide = options.make_guide(settings)
    from fieldguide.pairs.region_pairs import GROUP, RegionColumns, map_regions
    from fieldguide.tuning.rows import CAPTIONS

    columns = RegionColumns(
        attribute_columns,
        settings["caption_column"] or CAPTIONS,
        settings["group_column"] or GROUP,
    )
    found = map_regions(guide, manifest, columns, settings["classes"])
    found.write(output)
    screen.print_failures((name, "skipped", reason) for name, reason in found.faults)
    if not settings["quiet"]:
        click.echo(f"{len(found.pairs)} of {found.regions} regions of {found.images} images have "
                   f"attributes, in {output}", err=True)  # fmt: skip
    total = found.regions + len(found.faults)
    code = screen.exit_code(total, len(found.faults), strict=settings["strict"])
    raise click.exceptions.Exit(code)


def _end(found: PairReport, output: Path, *, quiet: bool, strict: bool) -> None:
    """Print a line a stage; end with 1 when nothing is kept, or a picture was not usable."""
    if not quiet:
        rows = [
            {"stage": count.stage, "before": count.before, "removed": count.removed,
             "left": count.before - count.removed}
            for count in found.counts
        ]  # fmt: skip
        screen.print_table(rows, COLUMNS)
        click.echo(f"{len(found.kept)} of {len(found)} kept in {output}", err=True)
    unusable = sum(row.stage == "invalid" for row in found)
    raise click.exceptions.Exit(1 if not found.kept or (strict and unusable) else 0)
