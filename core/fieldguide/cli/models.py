"""``fieldguide models``."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the models with scope and licence, or show the card of one."""
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help

    registry = get_catalog().registry
    if name is None:
        default_for = {model: modality for modality, model in registry.defaults.items()}
        for record in registry.models:
            mark = (
                f" (default for {default_for[record.name]})" if record.name in default_for else ""
            )
            click.echo(f"{record.name}{mark}")
            click.echo(f"  {record.summary}")
            licence = record.licence + (", research use only" if record.research_only else "")
            click.echo(f"  scope {', '.join(record.scope)}; {record.embed_dim}-d; {licence}")
        return
    record = registry.model(name)
    if record.card is not None:
        from fieldguide.models.weights import resource_text  # only when the command runs

        click.echo(resource_text(record, record.card))
        return
    for field, value in record.model_dump(exclude={"origin"}, exclude_none=True).items():
        click.echo(f"{field}: {value}")
