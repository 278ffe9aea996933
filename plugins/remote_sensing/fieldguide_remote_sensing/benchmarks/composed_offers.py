"""Specs of the benchmarks of composed retrieval and of semantic localisation; light."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.specs import BenchmarkSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

EXTRA = "remote-sensing"


def composed_benchmarks() -> Iterable[BenchmarkSpec]:
    """Yield them."""
    yield BenchmarkSpec(
        name="patterncom_composed",
        summary="Composed retrieval: an image and what should be different about it (mAP)",
        target="fieldguide_remote_sensing.benchmarks.patterncom:patterncom_composed",
        source="https://arxiv.org/abs/2405.15587",
        metric="map",
        dataset="patterncom",
        domain="remote_sensing",
        modality="rgb_scene",
        extra=EXTRA,
    )
    yield BenchmarkSpec(
        name="air_slt_localization",
        summary="Semantic localisation: heat maps of captions over large scenes (Rmi)",
        target="fieldguide_remote_sensing.benchmarks.air_slt:air_slt_localization",
        source="https://arxiv.org/abs/2209.06515",
        metric="selo_rmi",
        dataset="air_slt",
        domain="remote_sensing",
        modality="rgb_scene",
        extra=EXTRA,
    )
