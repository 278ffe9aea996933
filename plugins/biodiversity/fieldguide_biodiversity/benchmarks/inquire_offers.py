"""What the plugin offers of INQUIRE. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.specs import BenchmarkSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

PAPER = "https://arxiv.org/abs/2411.02537"


def inquire_specs() -> Iterable[BenchmarkSpec]:
    """Yield the two protocols of Vendrow et al. 2024, "INQUIRE" (arXiv:2411.02537)."""
    yield BenchmarkSpec(
        name="inquire_fullrank",
        summary="200 expert queries over five million photographs of organisms (iNat24)",
        target="fieldguide_biodiversity.benchmarks.inquire:inquire_fullrank",
        extra="biodiversity",
        source=PAPER,
        metric="ap_at_50",
        dataset="inquire_fullrank",
        domain="biodiversity",
        modality="organism_photo",
    )
    yield BenchmarkSpec(
        name="inquire_rerank",
        summary="160 expert queries, each with 100 photographs of organisms to put in order",
        target="fieldguide_biodiversity.benchmarks.inquire:inquire_rerank",
        extra="biodiversity",
        source=PAPER,
        metric="ap_at_50",
        dataset="inquire_rerank",
        domain="biodiversity",
        modality="organism_photo",
    )
