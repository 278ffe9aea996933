"""``fieldguide biodiversity taxonomy vectors``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--names", required=True, type=click.Path(path_type=Path), metavar="FILE.json",
              help="What its columns are called, such as txt_emb_species.json.")  # fmt: skip
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="The tree to write, NAME.tree; beside it NAME.npy and NAME.csv.")  # fmt: skip
def vectors(source: Path, names: Path, output: Path) -> None:
    """Take over text vectors that BioCLIP publishes, so that no label has to be embedded.

    SOURCE is txt_emb_species.npy, which pybioclip uses. It does not say which model made it: name
    that model when you classify.

    \b
    fieldguide biodiversity taxonomy vectors txt_emb_species.npy \\
        --names txt_emb_species.json -o tol.tree
    fieldguide classify photos/ --domain biodiversity --taxonomy tol.tree \\
        --label-vectors tol.npy --model MODEL
    """
    from fieldguide.cli import screen
    from fieldguide.writers.provenance import make_provenance, write_provenance
    from fieldguide_biodiversity.checklists.bioclip_vectors import import_bioclip_vectors

    made = import_bioclip_vectors(source, names, output)
    facts = {"labels": made.labels, "dim": made.dim, "nameless": made.nameless,
             "merged": made.merged}  # fmt: skip
    write_provenance(
        make_provenance(domain="biodiversity", source=str(source), names=str(names), **facts),
        output,
    )
    click.echo(screen.clean(f"{output}: {len(made.tree):,} taxa"))
    click.echo(screen.clean(f"{made.vectors}: {made.labels:,} labels of {made.dim} numbers"))
    if made.merged:
        click.echo(f"  {made.merged:,} columns with the names of another one: their mean", err=True)
    if made.nameless:
        click.echo(f"  {made.nameless:,} columns without a name: left out", err=True)
