"""``fieldguide medical export``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from fieldguide.cli import options, screen

DONE = ("copied", "kept")


@click.command()
@options.inputs
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path),
              help="The folder of the copies, a new one or one of an earlier run.")  # fmt: skip
@click.option("--shift-dates", is_flag=True,
              help="Keep dates of study, series and picture, moved back by days of the patient's "
              "own; else none is kept.")  # fmt: skip
@click.option("--allow-burned-in", is_flag=True,
              help="Also copy images that may have a name in their pixels.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress, no summary; errors only.")
@click.option("--strict", is_flag=True, help="Exit with 1 when any input was skipped.")
def export(
    inputs: tuple[str, ...], output: Path, *, shift_dates: bool, allow_burned_in: bool,
    quiet: bool, strict: bool,
) -> None:  # fmt: skip
    """Copy DICOM and NIfTI files without names, dates and identifiers; pixels stay the same.

    Follows the Basic Profile of DICOM PS3.15 Annex E and is stricter: of texts only listed words
    are kept. Names of files become ids. What pixels show is not looked at: a face can be drawn
    from a head CT. Look at the copies before you give them away; sources.parquet stays with you.

    \b
    fieldguide medical export study/ -o for_partner/
    fieldguide medical export study/ -o for_partner/ --shift-dates
    """
    from fieldguide.plugins import get_catalog  # only when it runs
    from fieldguide.privacy.domains import names_of
    from fieldguide.privacy.salt import read_salt
    from fieldguide_medical.deid.dicom_file import DicomCopyist
    from fieldguide_medical.deid.export import Export
    from fieldguide_medical.deid.pseudonyms import Pseudonyms

    private = names_of(get_catalog().domains["medical"])
    if private is None:
        raise RuntimeError("the domain medical keeps its sources private")
    private.keep_beside(output)
    copyist = DicomCopyist(Pseudonyms(read_salt()), shift_dates, allow_burned_in)
    rows = Export(copyist, private, output).run(inputs, progress=not quiet)
    failed = [(row.path, row.status, row.reason) for row in rows if row.status not in DONE]
    screen.print_failures(failed)
    if not quiet:
        counts = ", ".join(f"{n} {status}" for status, n in Counter(r.status for r in rows).items())
        click.echo(f"{counts or 'nothing to do'}; written to {output}", err=True)
        options.say_sources(private)
    raise click.exceptions.Exit(screen.exit_code(len(rows), len(failed), strict=strict))
