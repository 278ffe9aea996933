"""What ``fieldguide models`` prints of records and of published results."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fieldguide.contract import InputContract
    from fieldguide.registry import ModelRecord, ReferenceRecord, Registry, WeightFile

GROUPS = {
    "ready": "Ready offline:",
    "downloads": "Downloads its weights at first use:",
    "unsupported": "Known, but needs other code ('fieldguide models NAME' says which):",
}
LIMITS_CHARACTERS = 100


def list_lines(registry: Registry) -> Iterator[str]:
    """Yield the list of all models by group: name and marks, then what one has to know."""
    for availability, title in GROUPS.items():
        records = [r for r in registry.models if r.availability == availability]
        if not records:
            continue
        yield title
        for record in records:
            yield f"  {record.name}{_marks(record, registry)}: {record.summary}"
            yield f"    {'; '.join(_facts(record))}"
            if names := _adapters_of(record, registry):
                yield f"    adapters: {names}"


def _adapters_of(record: ModelRecord, registry: Registry) -> str:
    return ", ".join(a.name for a in registry.adapters if a.base_model == record.name)


def _marks(record: ModelRecord, registry: Registry) -> str:
    marks = [f"default for {m}" for m, name in registry.defaults.items() if name == record.name]
    better = [m for m, name in registry.recommended.items() if name == record.name]
    marks += [f"recommended for {modality}" for modality in better]
    return f" ({', '.join(marks)})" if marks else ""


def _facts(record: ModelRecord) -> Iterator[str]:
    yield f"scope {', '.join(record.scope) or 'none of this release'}"
    if record.embed_dim is not None:
        yield f"{record.embed_dim}-d"
    if record.availability != "ready":
        yield size_text(record.size_bytes)
    yield record.licence + (", research use only" if record.research_only else "")
    if record.gated:
        yield "gated: accept its terms on the hub first"
    if record.licence_limits:
        limits = textwrap.shorten(record.licence_limits, LIMITS_CHARACTERS, placeholder=" ...")
        yield f"limits: {limits}"


def size_text(size_bytes: int | None) -> str:
    """Return a size for people, or that it is not known."""
    if size_bytes is None:
        return "size not known"
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def detail_lines(record: ModelRecord, registry: Registry) -> Iterator[str]:
    """Yield all that a record says, how to use and to get the model, and its published results."""
    yield f"{record.name}{_marks(record, registry)}"
    yield f"  {record.summary}"
    for title, text in _details(record):
        yield from _wrapped(f"  {title:<14}", text)
    if names := _adapters_of(record, registry):
        yield from _wrapped("  adapters      ", f"{names}; use: --adapter NAME")
    yield from _use_lines(record)
    results = registry.results_of(record.name)
    if results:
        yield "  published results; compare only under the same protocol:"
        yield from (f"    {line}" for line in result_lines(results))


def _details(record: ModelRecord) -> Iterator[tuple[str, str]]:
    yield "made for", ", ".join(record.scope) or "no modality of this release"
    yield "licence", record.licence + (", research use only" if record.research_only else "")
    yield "limits", record.licence_limits or "none beyond the licence"
    if record.gated:
        yield "gated", "accept its terms on the hub, then run: hf auth login"
    yield "source", record.source or "not stated"
    if record.trained_on:
        yield "trained on", ", ".join(record.trained_on)
    yield from _numbers(record)
    if record.contract is not None:
        yield "contract", contract_text(record.contract)
    yield from ((key, _setting_text(value)) for key, value in record.settings.items())
    yield from ((role, _file_text(weight)) for role, weight in record.files.items())


def _setting_text(value: Any) -> str:
    """Return a setting in one line; of records with names, the names and what they say."""
    if not (isinstance(value, list | tuple) and value and isinstance(value[0], dict)):
        return str(value)
    parts = (
        " ".join(str(v) if k == "name" else f"{k} {v}" for k, v in part.items()) for part in value
    )
    return "; ".join(parts)


def _numbers(record: ModelRecord) -> Iterator[tuple[str, str]]:
    for title, number, unit in (
        ("vectors", record.embed_dim, "numbers"),
        ("image", record.image_size_px, "px a side"),
        ("text", record.context_length, "tokens"),
    ):
        if number is not None:
            yield title, f"{number} {unit}"
    if record.availability != "ready":
        yield "download", size_text(record.size_bytes)


def contract_text(contract: InputContract) -> str:
    """Return an input contract in one line."""
    height, width = contract.size_px
    numbers = "; ".join(
        f"{name} {', '.join(f'{value:g}' for value in values)}"
        for name, values in (("mean", contract.mean), ("std", contract.std))
    )
    return (
        f"{height} x {width} px by {contract.resize}, {contract.interpolation}; bands "
        f"{', '.join(contract.bands)} in {contract.units}; {numbers}"
    )


def _file_text(weight: WeightFile) -> str:
    said = weight.model_dump(exclude={"sha256"}, exclude_none=True)
    digest = f"sha256 {weight.sha256}" if weight.sha256 else "sha256 not known, so not checked"
    return f"{', '.join(f'{key} {value}' for key, value in said.items())}; {digest}"


def _use_lines(record: ModelRecord) -> Iterator[str]:
    if record.unsupported:
        yield from _wrapped("  does not run here: ", record.unsupported)
        return
    yield f"  to use it:  --model {record.name}"
    if record.availability != "downloads":
        return
    yield "  without a network there: run these where there is one, then copy the hub's cache"
    yield "  ($HF_HOME, else ~/.cache/huggingface) to the other machine:"
    yield from (f"    {line}" for line in _download_lines(record))


def _download_lines(record: ModelRecord) -> Iterator[str]:
    from fieldguide.registry_files import HubFile  # pydantic: not on the way to --help

    hub_files = [weight for weight in record.files.values() if isinstance(weight, HubFile)]
    for weight in hub_files:
        yield f"hf download {weight.hub} {weight.path}{_revision(weight.revision)}"
    if hub := record.settings.get("hub"):
        rest = ' --include "*.json" "*.txt"' if hub_files else ""
        yield f"hf download {hub}{rest}{_revision(record.settings.get('revision'))}"
    elif not hub_files:
        yield f"fieldguide classify PHOTO.jpg --label thing --out-of-scope --model {record.name}"


def _revision(revision: str | None) -> str:
    return f" --revision {revision}" if revision else ""


def result_lines(results: Iterable[ReferenceRecord]) -> Iterator[str]:
    """Yield published results by data set and protocol, the best first."""
    groups: dict[tuple[str, ...], list[ReferenceRecord]] = {}
    for result in results:
        key = (result.dataset, result.metric, result.protocol, result.source, result.trust)
        groups.setdefault((*key, result.note, result.benchmark or ""), []).append(result)
    for group, members in sorted(groups.items()):
        dataset, metric, protocol, source, trust, note, benchmark = group
        yield f"{dataset}: {metric}"
        for result in sorted(members, key=lambda r: -r.value):
            record = f" [{result.model}]" if result.model else ""
            yield f"  {value_text(result):>12}  {result.model_label}{record}"
        yield from _wrapped("  protocol: ", protocol)
        if note:
            yield from _wrapped("  note: ", note)
        yield f"  source: {source} ({trust})"
        if benchmark:
            yield f"  same protocol: fieldguide benchmark {benchmark} --root FOLDER"


def value_text(result: ReferenceRecord) -> str:
    """Return a value with its unit, and its interval where there is one."""
    forms = {
        "percent": "{:.4g} %", "fraction": "{:.4g}", "percentage_points": "{:+.4g} points",
        "ratio": "{:g} x", "count": "{:g}",
    }  # fmt: skip
    text = forms[result.unit].format(result.value)
    if result.interval is None:
        return text
    return f"{text} [{result.interval[0]:g}, {result.interval[1]:g}]"


def trust_lines(used: Sequence[str]) -> Iterator[str]:
    """Yield what the marks of trust mean, of those that were used."""
    from fieldguide.registry_records import TRUST_MEANS  # pydantic: not on the way to --help

    for trust, meaning in TRUST_MEANS.items():
        if trust in used:
            yield f"({trust}): {meaning}"


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, 100, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
