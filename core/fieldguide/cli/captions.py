"""``fieldguide captions``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import options, private_words, screen

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("path", "converter", "template", "caption")

source_options = options.chain(
    click.option("--format", "format_name", metavar="NAME",
                 help="coco, voc, dota, yolo, label_raster, or that of a plugin; else by the "
                 "files."),
    click.option("--classes-file", type=click.Path(path_type=Path), metavar="FILE",
                 help="Names of the classes: one a line, or YAML with 'names'."),
    click.option("--images", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
                 help="Where the images of annotations are; else beside them."),
    click.option("--label-column", default="label", show_default=True, help="Of manifests."),
    click.option("--set", "columns", multiple=True, metavar="NAME=VALUE",
                 help="A column for every row that lacks it, such as sensor or gsd_m; repeat."),
    click.option("--root", "roots", multiple=True, type=click.Path(path_type=Path),
                 metavar="FOLDER", help="Manifests may name files of this folder too; repeat."),
    click.option("--show-paths", is_flag=True,
                 help="Name files also where a converter's domain keeps them private."),
)  # fmt: skip

draw_options = options.chain(
    click.option("--converter", "converters", multiple=True, metavar="NAME",
                 help="Makes the captions: box_caption, absent_caption, label_caption ...; repeat. "
                 "Else box_caption."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
                 help="Decides every draw."),
    click.option("--per-image", type=click.IntRange(1),
                 help="Captions of each converter an image; else its own number."),
)  # fmt: skip


class CaptionsCommand(private_words.GuardedCommand):
    """A command whose domain is that of the converters that it is given."""

    def domain_of(self, args: Sequence[str]) -> str | None:
        """Return the domain of a converter whose sources are private; None where there is none."""
        if "--show-paths" in args:
            return None
        from fieldguide.plugins import get_catalog  # pydantic: only when a command runs

        catalog = get_catalog()
        names = private_words.values_of(args, "--converter")
        specs = [catalog.caption_converters[n] for n in names if n in catalog.caption_converters]
        owners = [spec.domain for spec in specs if spec.domain is not None]
        return next((name for name in owners if catalog.domains[name].private_sources), None)


@click.command(cls=CaptionsCommand)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUTS...")
@click.option("--output", "-o", type=click.Path(path_type=Path),
              help="A manifest to write: .csv .jsonl .parquet .json; else the screen.")  # fmt: skip
@draw_options
@source_options
@click.option("--quiet", is_flag=True, help="No progress, no summary; errors only.")
@click.option("--strict", is_flag=True, help="Exit with 1 when anything was skipped.")
def captions(  # noqa: PLR0913 - one argument an option
    inputs: tuple[str, ...],
    output: Path | None,
    converters: tuple[str, ...],
    seed: int,
    per_image: int | None,
    format_name: str | None,
    classes_file: Path | None,
    images: Path | None,
    label_column: str,
    roots: tuple[Path, ...],
    columns: tuple[str, ...],
    show_paths: bool,
    quiet: bool,
    strict: bool,
) -> None:
    """Make captions from boxes, masks, labels or metadata, for 'tune' and for retrieval.

    INPUTS are annotations (COCO JSON, Pascal VOC XML, DOTA and YOLO text, label rasters), folders
    of them, manifests (CSV, JSONL), or images where the converter reads them. An annotation with a
    fault is left out as a whole and named: a count without it would be wrong.

    \b
    fieldguide captions instances.json --images tiles/ -o captions.csv
    fieldguide captions Annotations/ --converter box_caption --converter absent_caption -o c.jsonl
    fieldguide tune captions.csv --caption-column caption -o ./my_adapter

    Ends with 3 where something was skipped.
    """
    from fieldguide.captions.make import make_captions  # scipy and more: only when it runs
    from fieldguide.plugins import get_catalog

    if output is not None:
        from fieldguide.writers import writer_for  # fail before the work, not after it

        writer_for(output, "captions", get_catalog())
    made = make_captions(
        inputs,
        converters,
        format=format_name,
        classes_file=classes_file,
        images=images,
        seed=seed,
        per_image=per_image,
        label_column=label_column,
        roots=roots,
        columns=dict(map(_column, columns)),
        progress=not quiet,
        show_paths=show_paths,
        beside=output,
    )
    if output is None:
        screen.print_table(made.records(), COLUMNS)
    else:
        made.write(output)
    screen.print_failures((name, "skipped", reason) for name, reason in made.skipped)
    if not quiet:
        facts = made.provenance
        where = "" if output is None else f" in {output}"
        click.echo(
            f"{facts['captions']} captions of {facts['images']} images{where}, "
            f"{len(made.skipped)} skipped, {facts['silent']} images without a caption",
            err=True,
        )
    total = len(made) + len(made.skipped)
    raise click.exceptions.Exit(screen.exit_code(total, len(made.skipped), strict=strict))


def _column(text: str) -> tuple[str, Any]:
    """Return the name and the value of NAME=VALUE."""
    from fieldguide.data.manifests import cell_value  # with what it reads: only when it runs

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"--set {text!r} is not NAME=VALUE.")
    return name.strip(), cell_value(value)
