"""``fieldguide models``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import model_texts

if TYPE_CHECKING:
    from fieldguide.registry import ModelRecord, ReferenceRecord, Registry

ALL = ""


@click.command()
@click.argument("name", required=False)
@click.option(
    "--results",
    "dataset",
    is_flag=False,
    flag_value=ALL,
    metavar="[DATASET]",
    help="Published results, of all data sets or one, with protocol, source and trust.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def models(name: str | None, dataset: str | None, as_json: bool) -> None:
    """List the models with scope, size and licence, or show all that is known of one.

    \b
    fieldguide models
    fieldguide models remoteclip_vit_l_14
    fieldguide models --results RSICD
    """
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help

    registry = get_catalog().registry
    if dataset is not None:
        _print_results(_pick_results(registry, name, dataset), as_json=as_json)
    elif name is not None:
        _print_model(registry.model(name), registry, as_json=as_json)
    elif as_json:
        _print_json([_as_json(record) for record in registry.models])
    else:
        for line in model_texts.list_lines(registry):
            click.echo(line)


def _print_model(record: ModelRecord, registry: Registry, *, as_json: bool) -> None:
    if as_json:
        results = [r.model_dump(mode="json") for r in registry.results_of(record.name)]
        _print_json(_as_json(record) | {"results": results})
        return
    if record.card is not None:
        from fieldguide.models.weights import resource_text  # only when the command runs

        click.echo(resource_text(record, record.card))
    for line in model_texts.detail_lines(record, registry):
        click.echo(line)
    _print_trust(registry.results_of(record.name))


def _pick_results(
    registry: Registry, name: str | None, dataset: str
) -> tuple[ReferenceRecord, ...]:
    results = registry.results if name is None else registry.results_of(registry.model(name).name)
    if dataset == ALL:
        return results
    found = tuple(r for r in results if r.dataset.casefold() == dataset.casefold())
    if not found:
        import difflib  # only for the error

        from fieldguide.errors import UnknownNameError  # light, but only for the error

        known = sorted({result.dataset for result in results})
        close = difflib.get_close_matches(dataset, known) or known
        raise UnknownNameError(
            f"No published result is of the data set {dataset!r}. There are: {', '.join(close)}. "
            "Run 'fieldguide models --results' for all."
        )
    return found


def _print_results(results: tuple[ReferenceRecord, ...], *, as_json: bool) -> None:
    if as_json:
        _print_json([result.model_dump(mode="json") for result in results])
        return
    for line in model_texts.result_lines(results):
        click.echo(line)
    _print_trust(results)


def _print_trust(results: tuple[ReferenceRecord, ...]) -> None:
    for line in model_texts.trust_lines([result.trust for result in results]):
        click.echo(line)


def _as_json(record: ModelRecord) -> dict[str, Any]:
    said = record.model_dump(mode="json", exclude={"origin"})
    return said | {"availability": record.availability}


def _print_json(content: Any) -> None:
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))
