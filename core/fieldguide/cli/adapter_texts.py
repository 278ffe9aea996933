"""What ``fieldguide adapters`` prints of records and adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.contract import InputContract
    from fieldguide.registry import AdapterRecord
    from fieldguide.tuning.adapter import Adapter

COLUMNS = ("name", "base", "method", "scope", "licence", "summary")


def registered_row(record: AdapterRecord) -> dict[str, Any]:
    """Return a row of the list for an installed adapter, whose files are not read for it."""
    return {
        "name": record.name,
        "base": record.base_model,
        "method": record.method,
        "scope": ", ".join(record.scope),
        "licence": record.licence + (" (research only)" if record.research_only else ""),
        "summary": record.summary,
        "place": "",
    }


def detail_lines(adapter: Adapter) -> Iterator[str]:
    """Yield what the record of an adapter says, in lines."""
    config = adapter.config
    facts = {
        "name": config.name,
        "summary": config.summary,
        "method": config.method,
        "base model": f"{config.base.model} (weights {config.base.encoder[:12]})",
        "made for": f"{', '.join(config.scope)}; domain {config.domain}",
        "input": _input_text(config.contract),
        "strength": f"{config.strength:g} (0 is the base, 1 as trained)",
        "logit scale": f"{config.logit_scale:.3f}",
        "changes": f"{len(adapter.changes)} parameters, {config.trainable_parameters:,} trained "
                   "numbers",
        "labels": _few(adapter.classifier.labels if adapter.classifier else tuple(config.prompts)),
        "digest": adapter.digest,
        "licence": config.licence + (", research use only" if config.research_only else ""),
        "limits": config.licence_limits,
        "versions": ", ".join(f"{name} {version}" for name, version in config.versions.items()),
        "made by": config.command,
        "created": config.created,
    }  # fmt: skip
    for title, text in facts.items():
        if text:
            yield f"{title:<12} {' '.join(text.split())}"


def _few(labels: tuple[str, ...], shown: int = 8) -> str:
    more = f" and {len(labels) - shown} more" if len(labels) > shown else ""
    return f"{', '.join(labels[:shown])}{more}"


def _input_text(contract: InputContract | None) -> str:
    if contract is None:
        return "volumes, by the contract of the base model"
    return f"{contract.size_px[0]} x {contract.size_px[1]} px, {contract.resize}"
