"""``fieldguide doctor``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fieldguide.doctor.checks import Group

COLOURS = {"ok": "green", "optional": "blue", "warn": "yellow", "fail": "red"}
WELL = ("ok", "optional")


@click.command()
@click.option("--adapter", metavar="NAME",
              help="Also look at an adapter: files, base, effect, exactness, memory.")  # fmt: skip
@click.option("--offline", is_flag=True, help="Do not ask whether the hub answers.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Also write a .json file.")
@click.option("--quiet", is_flag=True, help="Only what works badly or not at all.")
def doctor(adapter: str | None, offline: bool, output: Path | None, quiet: bool) -> None:
    """Say what works here, what does not, and the line that mends it.

    Looks at versions, processor, graphics cards, backends, plugins, default models, caches, free
    space and the hub. Exits with 1 when something stops normal use.

    \b
    fieldguide doctor
    fieldguide doctor --offline --output report.json
    fieldguide doctor --adapter ./my_adapter
    """
    if output is not None and output.suffix.lower() != ".json":
        raise click.UsageError(f"{output} must end in .json.")
    from fieldguide.doctor.examine import examine, is_broken, to_record  # only when it runs

    groups = []
    for group in examine(offline=offline, adapter=adapter):
        groups.append(group)
        _print_group(group, quiet=quiet)
    if output is not None:
        from fieldguide.data.files import atomic_path  # only when it writes

        with atomic_path(output) as temporary:
            temporary.write_text(json.dumps(to_record(groups), indent=2), "utf-8")
    if not quiet:
        click.echo(_summary(groups))
    raise click.exceptions.Exit(int(is_broken(groups)))


def _print_group(group: Group, *, quiet: bool) -> None:
    shown = [check for check in group.checks if not quiet or check.status not in WELL]
    if shown:
        click.echo(group.title)
    width = max((len(check.name) for check in shown), default=0)
    for check in shown:
        status = click.style(f"{check.status:<8}", fg=COLOURS[check.status])
        click.echo(f"  {status}  {check.name:<{width}}  {check.found}")
        if check.fix:
            click.echo(f"            -> {check.fix}")


def _summary(groups: list[Group]) -> str:
    counts = Counter(check.status for group in groups for check in group.checks)
    if not counts["fail"] and not counts["warn"]:
        return f"All is well ({counts['optional']} optional)."
    return (
        f"{counts['fail']} fail and stop normal use, {counts['warn']} warn, "
        f"{counts['optional']} optional."
    )
