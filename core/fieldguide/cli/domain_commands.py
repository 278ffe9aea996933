"""Commands that domains bring: ``fieldguide DOMAIN NAME``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fieldguide.cli import private_words

if TYPE_CHECKING:
    from fieldguide.plugins import Catalog
    from fieldguide.specs import CommandSpec


class RootGroup(click.Group):
    """The core's commands, and behind them the groups of the domains.

    Plugins are looked for only when a word is none of the core's commands.
    """

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of the core, or the group of a domain that has commands."""
        return super().get_command(ctx, cmd_name) or _domain_group(cmd_name)


class DomainGroup(click.Group):
    """The commands of one domain, each imported when it is asked for."""

    def __init__(self, name: str, help_text: str, specs: dict[str, CommandSpec]) -> None:
        super().__init__(name, help=help_text)
        self.specs = specs

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember what was typed, so that a private domain can keep it out of errors."""
        ctx.meta[private_words.TYPED] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; errors of a private domain do not name the files that were typed.

        Raises:
            MissingExtraError: the command's work needs a missing package; with the pip line.
        """
        domain = str(self.name).replace("-", "_")
        private_words.keep_out(ctx, private_words.private_of(domain))
        try:
            return private_words.guarded(ctx, lambda: super(DomainGroup, self).invoke(ctx))
        except ModuleNotFoundError as error:
            spec = self.specs.get(ctx.invoked_subcommand or "")
            if spec is None:
                raise
            raise spec.needs(error) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names, sorted."""
        return sorted(self.specs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command.

        Raises:
            MissingExtraError: a package is missing; the message has the pip line.
            PluginError: its target is no command.
        """
        from fieldguide.errors import PluginError

        spec = self.specs.get(cmd_name)
        if spec is None:
            return None
        command = spec.load()
        if not isinstance(command, click.Command):
            raise PluginError(
                f"The command {spec.name!r} points to {spec.target!r}, which is no click command. "
                "Report this to the plugin's author."
            )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands by their summaries; none of them is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, spec.summary) for name, spec in sorted(self.specs.items())])


def commands_of(domain: str, catalog: Catalog) -> list[CommandSpec]:
    """Return the commands of a domain, by name."""
    return [spec for spec in catalog.commands.usable() if spec.domain == domain]


def words_of(spec: CommandSpec) -> str:
    """Return how a command is typed after ``fieldguide``."""
    return f"{_typed(spec.domain)} {_typed(spec.name)}"


def _typed(name: str) -> str:
    return name.replace("_", "-")


def _domain_group(word: str) -> DomainGroup | None:
    from fieldguide.plugins import get_catalog  # pydantic: not on the way to --help

    catalog = get_catalog()
    name = word.replace("-", "_")
    specs = {_typed(spec.name): spec for spec in commands_of(name, catalog)}
    if not specs:
        return None
    summary = catalog.domains[name].summary if name in catalog.domains else name
    return DomainGroup(_typed(name), f"Commands of the domain {name}: {summary}.", specs)
