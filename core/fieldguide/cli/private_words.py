"""Keeps the files that a command line names out of errors and records of a private domain.

Inputs are hidden by the guide that reads them. An option names files too, such as labels, a
calibration or an output; so does a mistake that is found before there is a guide.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fieldguide.privacy.names import PrivateNames

TYPED, PRIVATE = "fieldguide.typed", "fieldguide.private"
WRITTEN = frozenset({"-o", "--output", "--report", "--explain", "--vectors", "--write-calibration",
                     "--frozen", "--tensorboard"})  # fmt: skip
"""Options for what a command writes: its name is the user's own, that of its folder is hidden."""
WORDS = frozenset({"--label", "--template", "--against", "--where", "--domain", "--modality"})
"""Options whose values are texts and no files."""
_FILE = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}$")


class GuardedCommand(click.Command):
    """A command that names no file in its errors where its domain is private."""

    def domain_of(self, args: Sequence[str]) -> str | None:
        """Return the domain that a command line names; None where paths are shown."""
        return domain_typed(args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; what is wrong with them is said without names."""
        ctx.meta[TYPED] = list(args)
        keep_out(ctx, private_of(self.domain_of(args)))
        found: list[str] = guarded(ctx, lambda: super(GuardedCommand, self).parse_args(ctx, args))
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        return guarded(ctx, lambda: super(GuardedCommand, self).invoke(ctx))


def domain_typed(words: Sequence[str]) -> str | None:
    """Return the domain that a command line names; None where it names none, or shows paths.

    >>> domain_typed(["a.png", "--domain=medical"]), domain_typed(["--domain", "x", "--show-paths"])
    ('medical', None)
    """
    if "--show-paths" in words:
        return None
    return next(values_of(words, "--domain"), None)


def values_of(words: Sequence[str], option: str) -> Iterator[str]:
    """Yield the values of an option in a command line."""
    return (value for before, value in _values(words) if before == option)


def private_of(domain: str | None) -> PrivateNames | None:
    """Return what hides the names of a domain; None where it is not private, or not known."""
    if domain is None:
        return None
    from fieldguide.plugins import get_catalog  # pydantic: only when a command runs
    from fieldguide.privacy.domains import names_of

    domains = get_catalog().domains
    return names_of(domains[domain]) if domain in domains else None


def keep_out(ctx: click.Context, private: PrivateNames | None) -> None:
    """Hide the files that a command line names from now on; see :func:`guarded`."""
    if private is None or PRIVATE in ctx.meta:
        return
    ctx.meta[PRIVATE] = private
    from fieldguide.data.files import exists  # only when a command runs

    for option, value in _values(ctx.meta.get(TYPED, ())):
        if option in WORDS or not value:
            continue
        path = Path(value)
        if option in WRITTEN:
            private.hide_folder(path)
        elif exists(path) or _looks_like_a_path(path, exists):
            private.typed(value)


def guarded(ctx: click.Context, run: Callable[[], Any]) -> Any:
    """Run a part of a command; its errors hold no name that is hidden by then."""
    try:
        return run()
    except Exception:
        private: PrivateNames | None = ctx.meta.get(PRIVATE)
        if private is None:
            raise
        with private.kept_out_of_errors():
            raise


def _looks_like_a_path(path: Path, exists: Callable[[Path], bool]) -> bool:
    is_placed = path.is_absolute() or (len(path.parts) > 1 and exists(path.parent))
    return is_placed or _FILE.search(path.name) is not None


def _values(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each word that is no option, and the option before it, where there is one."""
    before = ""
    for word in words:
        name, equals, value = word.partition("=")
        if word.startswith("-") and (equals or not value):
            if equals:
                yield name, value
            before = "" if equals else word
        else:
            yield before, word
            before = ""
