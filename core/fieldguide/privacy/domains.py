"""Which domains keep their sources private, and what a store says of the names in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.errors import StoreError
from fieldguide.privacy.logs import silence
from fieldguide.privacy.names import PrivateNames
from fieldguide.privacy.sources import state_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fieldguide.specs import DomainSpec

NAMES, IDS, PATHS = "names", "ids", "paths"


def names_of(domain: DomainSpec, shown: Iterable[str] = ()) -> PrivateNames | None:
    """Return what gives the sources of a domain their ids; None where their paths are shown."""
    if not domain.private_sources:
        return None
    silence(domain.quoting_loggers)
    return PrivateNames(state_sources(), shown=shown, facts=domain.open_facts)


def names_fact(domain: DomainSpec, private: PrivateNames | None) -> dict[str, str]:
    """Return what records say of the names of a private domain; nothing for others."""
    if not domain.private_sources:
        return {}
    return {NAMES: PATHS if private is None else IDS}


def require_same_names(
    known: Mapping[str, Any] | None,
    domain: DomainSpec,
    private: PrivateNames | None,
    target: Path,
) -> None:
    """Refuse a store that calls its rows otherwise: each file would be in it twice.

    Args:
        known: what the store says of itself; None for a new one.
        domain: of the job.
        private: of the job; None where paths are shown.
        target: the store.

    Raises:
        StoreError: it holds paths and the job has ids, or the other way round.
    """
    own = names_fact(domain, private).get(NAMES)
    if known is None or own is None or known.get(NAMES, PATHS) == own:
        return
    advice = "Add --show-paths" if own == IDS else "Leave --show-paths out"
    raise StoreError(
        f"{target} calls its rows by {known.get(NAMES, PATHS)}, and this job by {own}. {advice}, "
        "or name a new output."
    )
