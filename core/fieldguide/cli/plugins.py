"""``fieldguide plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fieldguide.cli.domain_commands import commands_of, words_of

if TYPE_CHECKING:
    from fieldguide.plugins import Catalog
    from fieldguide.specs import DomainSpec


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 1 when one is broken or two clash.")
def plugins(strict: bool) -> None:
    """List what is installed, what is incomplete or broken, and the line that mends it."""
    from fieldguide.plugins import CORE, get_catalog  # pydantic: not on the way to --help

    catalog = get_catalog()
    click.echo(f"{CORE}: ok")
    _print_domains(catalog, CORE)
    _print_backends(catalog, CORE)
    for info in catalog.plugins:
        click.echo(f"{info.name} ({info.distribution} {info.version}): {info.state}")
        for line in info.pip_lines:
            click.echo(f"  incomplete. Run: {line}")
        if info.state == "ok":
            _print_domains(catalog, info.name)
            _print_backends(catalog, info.name)
    problems = catalog.problems()
    for problem in problems:
        click.echo(f"problem: {problem}", err=True)
    if strict and problems:
        raise click.exceptions.Exit(1)


def _print_domains(catalog: Catalog, owner: str) -> None:
    for domain in catalog.domains.usable():
        if owner not in catalog.domains.owners(domain.name):
            continue
        click.echo(f"  --domain {domain.name}: {domain.summary}")
        for modality in domain.modalities:
            model = catalog.registry.defaults.get(modality.name) or catalog.registry.defaults.get(
                modality.broader or "", "no model: refused"
            )
            click.echo(f"    --modality {modality.name}: {modality.summary} [{model}]")
        _print_offers(catalog, domain)


def _print_offers(catalog: Catalog, domain: DomainSpec) -> None:
    for resource in domain.class_sets:
        click.echo(f"    --classes {resource.rpartition('/')[2].removesuffix('.yaml')}")
    for resource in domain.description_sets:
        click.echo(f"    --descriptions {resource.rpartition('/')[2].removesuffix('.yaml')}")
    if domain.taxonomy is not None:
        click.echo("    --clade, --rank, --confidence, --bins: of its own tree, or --taxonomy FILE")
    for option in domain.options:
        click.echo(f"    --{option.name.replace('_', '-')}: {option.help}")
    for command in commands_of(domain.name, catalog):
        click.echo(f"    fieldguide {words_of(command)}: {command.summary}")


def _print_backends(catalog: Catalog, owner: str) -> None:
    from fieldguide.extras import is_complete

    for backend in catalog.backends.usable():
        if owner not in catalog.backends.owners(backend.name):
            continue
        click.echo(f"  --backend {backend.name}: {backend.summary}")
        if backend.extra and not is_complete(backend.distribution, backend.extra):
            click.echo(f"    not installed. Run: {backend.pip_line}")
