"""The record of a finished training: what the card and ``adapter.json`` say."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from fieldguide.contract import InputContract
from fieldguide.data.manifest_windows import COLUMNS, VOLUME_COLUMNS
from fieldguide.doctor.software import installed_version
from fieldguide.models.load import lasting_name
from fieldguide.tuning.adapter import Adapter, AdapterConfig, base_of
from fieldguide.tuning.changes import LowRank
from fieldguide.tuning.decoupled_pairs import UNPAIRED
from fieldguide.tuning.suites import suite_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.privacy.names import PrivateNames
    from fieldguide.tuning.examples import Examples
    from fieldguide.tuning.findings import Honesty
    from fieldguide.tuning.training.fits import Learned
    from fieldguide.tuning.training.material import Material
    from fieldguide.tuning.training.requests import Request

VERSIONS = ("fieldguide", "torch", "open_clip_torch", "timm", "transformers", "peft", "numpy",
            "scikit-learn")  # fmt: skip
UNKNOWN = "LicenseRef-unknown"


def adapter_of(material: Material, learned: Learned, examples: Examples, folder: str) -> Adapter:
    """Return the adapter before it was measured.

    Args:
        material: what it was made of.
        learned: by the training.
        examples: the rows that were used.
        folder: name of the adapter's folder.
    """
    request, record, modality = material.request, material.record, material.modality
    guide = material.guide
    private = guide.private
    data_name = suite_name(material.manifest)
    if private is not None:
        data_name = private.name_of(material.manifest)
    model = lasting_name(guide.planner.model or record.name, guide.catalog)
    publishing = request.publishing
    # the base's licence alone would say nothing of the data
    parts = (publishing.licence, *([] if publishing.licence == UNKNOWN else [record.licence]))
    licence = " AND ".join(dict.fromkeys(part for part in parts if part != UNKNOWN))
    limits = [publishing.licence_limits, record.licence_limits]
    labels = len(set(examples.labels) - {""})
    own = material.encoder.contract
    made = f"{request.method} of {record.name} on {data_name}"
    config = AdapterConfig(
        name=publishing.name or folder,
        summary=publishing.summary or (f"{made}: {labels} classes" if labels else made),
        method=request.method,
        base=base_of(material.base, model),
        contract=own if isinstance(own, InputContract) else None,
        logit_scale=material.encoder.logit_scale,
        domain=guide.domain.name,
        modality=modality.name,
        scope=(modality.name,),
        prompts=dict(examples.prompts),
        templates=tuple(request.reading.templates or modality.templates),
        trainable_parameters=_count(learned),
        settings=_without_names(settings_of(request), private)
        | {"processes": material.processes.count},
        seed=request.training.seed,
        command=_without_names(request.running.command, private),
        versions={n: found for n in VERSIONS if (found := installed_version(n))},
        data=_data(examples, data_name, publishing.source),
        licence=licence or UNKNOWN,
        licence_limits="; ".join(limit for limit in limits if limit),
        research_only=publishing.research_only or record.research_only,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return Adapter(config, learned.changes, learned.classifier)


def _without_names(value: Any, private: PrivateNames | None) -> Any:
    return value if private is None else private.scrubbed(value)


def settings_of(request: Request) -> dict[str, Any]:
    """Return all settings on which the result depends, in JSON's types."""
    reading = request.reading.model_dump(mode="json")
    kept = {name: value for name, value in reading.items() if value not in (None, [], "")}
    if "texts" in kept:  # a card is given away; where a file lies is nobody's business
        kept["texts"] = suite_name(kept["texts"])
    resize, replay = request.picturing.resize, request.measuring.replay
    return {
        "method": request.method,
        **request.tuner,
        **request.training.model_dump(mode="json"),
        "reading": kept,
        **({} if resize is None else {"resize": resize}),
        **({} if replay is None else {"replay": suite_name(replay)}),
    }


def honesty_record(honesty: Honesty, examples: Examples) -> Mapping[str, Any]:
    """Return what was found in the data without the names of files and groups.

    A card is given away; names of files may tell of people or places.
    """
    record = honesty.record()
    names = {item.name for item in examples.items} | {name for name, _ in examples.faults}
    if examples.group_column not in (
        None,
        *COLUMNS,
        *VOLUME_COLUMNS,
    ):  # rows of windows name nobody
        names |= set(examples.groups)
    found = [
        {**finding, "text": _without(finding["text"], names)} for finding in record["findings"]
    ]
    return {**record, "findings": found, "labels": _label_counts(record.get("labels", {}))}


def _label_counts(counts: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Return how many images the classes of each split have, in a few words."""
    return {
        split: f"{len(own)} classes with {min(own.values())} to {max(own.values())} images"
        for split, own in counts.items()
        if own
    }


def _without(text: str, names: set[str]) -> str:
    words = (word.rstrip(",.:;") for word in text.split())
    present = sorted({word for word in words if word in names} | _with_spaces(text, names),
                     key=len, reverse=True)  # fmt: skip
    for name in present:
        text = text.replace(name, "(name)")
    return text


def _with_spaces(text: str, names: set[str]) -> set[str]:
    return {name for name in names if " " in name and name in text}


def _count(learned: Learned) -> int:
    probe = learned.classifier
    total = 0 if probe is None else probe.weights.numel() + probe.bias.numel()
    for change in learned.changes.values():
        parts = (change.a, change.b) if isinstance(change, LowRank) else (change.values,)
        total += sum(part.numel() for part in parts)
    return total


def _data(examples: Examples, data_name: str, source: str) -> dict[str, Any]:
    captions = sum(map(bool, examples.captions))
    loose = examples.stream(UNPAIRED)
    return {
        "name": data_name,
        **({"source": source} if source else {}),
        "images": {name: examples.splits.count(name) for name in ("train", "val", "test")},
        "classes": len(set(examples.labels) - {""}),
        "images with captions": captions,
        **({"texts of no image": len(loose.texts)} if loose is not None else {}),
        "splits": examples.split_source,
        **({"groups": examples.group_column} if examples.group_column else {}),
        "rows left out": len(examples.faults),
    }
