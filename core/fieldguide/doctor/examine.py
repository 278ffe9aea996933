"""All examinations, in the order in which they are told."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fieldguide.doctor.backends import backend_checks
from fieldguide.doctor.checks import Check, Group
from fieldguide.doctor.graphics import graphics_checks
from fieldguide.doctor.hardware import hardware_checks
from fieldguide.doctor.network import HubCall, endpoint, network_checks, why_offline
from fieldguide.doctor.offers import model_checks, plugin_checks, read_catalog
from fieldguide.doctor.software import software_checks
from fieldguide.doctor.storage import storage_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fieldguide.plugins import Catalog

    Examination = tuple[str, Callable[[], Iterable[Check]]]


def examine(*, offline: bool = False, adapter: str | None = None) -> Iterator[Group]:
    """Yield the findings, group by group; nothing raises, nothing is written.

    Args:
        offline: whether the network is left alone.
        adapter: also the state of this one: a registry name, folder or zip.
    """
    forbidden_by = why_offline(os.environ, offline=offline)
    call = None if forbidden_by else HubCall(endpoint(os.environ)).start()
    catalog, trouble = read_catalog()
    examinations: list[Examination] = [
        ("Software", software_checks),
        ("Machine", hardware_checks),
        ("Graphics cards", graphics_checks),
        ("Backends", lambda: backend_checks(catalog)),
        ("Plugins and extras", lambda: plugin_checks(catalog, trouble)),
        ("Default models", lambda: model_checks(catalog)),
        ("Storage", lambda: storage_checks(catalog)),
        ("Network", lambda: network_checks(call, forbidden_by)),
    ]
    if adapter is not None:
        examinations.append((f"Adapter {adapter}", lambda: _of_adapter(adapter, catalog, trouble)))
    for title, examination in examinations:
        yield Group(title, tuple(_carefully(title, examination)))


def _of_adapter(name: str, catalog: Catalog | None, trouble: str) -> Iterable[Check]:
    if catalog is None:
        return (Check("adapter", "fail", f"not looked at: {trouble}", "mend the registry first"),)
    from fieldguide.doctor.adapter import adapter_checks  # a broken torch is told before

    return adapter_checks(name, catalog)


def is_broken(groups: Iterable[Group]) -> bool:
    """Return whether anything was found that stops normal use."""
    return any(check.status == "fail" for group in groups for check in group.checks)


def to_record(groups: Iterable[Group]) -> Mapping[str, Any]:
    """Return the findings as they are written to JSON."""
    groups = list(groups)
    return {
        "broken": is_broken(groups),
        "groups": [
            {"title": group.title, "checks": [asdict(check) for check in group.checks]}
            for group in groups
        ],
    }


def _carefully(title: str, examination: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """Yield the findings of one examination; that it cannot be made is a finding too."""
    try:
        yield from examination()
    except Exception as error:  # noqa: BLE001 - whatever is broken is what the user asks for
        reason = " ".join(str(error).split())[:300]
        yield Check(title, "fail", f"cannot be examined: {type(error).__name__}: {reason}",
                    "report this line with 'fieldguide doctor --output report.json'")  # fmt: skip
