"""Which pip extras of a distribution are completely installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def is_complete(distribution: str, extra: str) -> bool:
    """Return whether every requirement of ``distribution[extra]`` is installed.

    Versions are not compared: pip did that. A distribution that is not installed has no
    complete extra.
    """
    return not missing_packages(distribution, extra)


def missing_packages(distribution: str, extra: str) -> tuple[str, ...]:
    """Return the packages of ``distribution[extra]`` that are not installed, sorted."""
    missing: set[str] = set()
    _add_missing(distribution, extra, missing, set())
    return tuple(sorted(missing))


def _add_missing(
    distribution: str, extra: str, missing: set[str], seen: set[tuple[str, str]]
) -> None:
    key = (canonicalize_name(distribution), canonicalize_name(extra))
    if key in seen:
        return
    seen.add(key)
    for requirement in _requirements(distribution, extra):
        if not _is_installed(requirement.name):
            missing.add(requirement.name)
        for nested in requirement.extras:
            _add_missing(requirement.name, nested, missing, seen)


def _requirements(distribution: str, extra: str) -> list[Requirement]:
    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:
        return [Requirement(distribution)]
    parsed = [Requirement(line) for line in lines]
    return [
        requirement
        for requirement in parsed
        if requirement.marker
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    ]


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
