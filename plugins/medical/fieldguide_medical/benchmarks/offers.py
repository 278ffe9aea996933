"""What benchmarks the plugin offers; light, so that listing them costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.specs import BenchmarkSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "fieldguide_medical.benchmarks"
DOMAIN = "medical"
TILE = "histology_tile"
SMEAR = "blood_smear"
VOLUME = "ct_volume"
RADIOGRAPH = "radiograph"

BENCHMARK_CLASS_SETS = (
    "lung_histology_quilt", "colon_histology", "colon_histology_quilt", "nct_crc",
    "nct_crc_quilt", "pcam", "pcam_quilt", "mhist", "mhist_quilt", "bach", "bach_quilt",
    "chest_xray_5",
)  # fmt: skip
"""Names and prompts of these sets' classes: ours, and those of QuiltNet's authors."""

TILE_SETS = {
    "lc25000_lung": ("lc25000", "https://arxiv.org/abs/1912.12142"),
    "lc25000_lung_whole": ("lc25000", "https://arxiv.org/abs/1912.12142"),
    "lc25000_colon": ("lc25000", "https://arxiv.org/abs/1912.12142"),
    "nct_crc": ("nct_crc", "https://doi.org/10.5281/zenodo.1214456"),
    "pcam": ("pcam", "https://arxiv.org/abs/1806.03962"),
    "mhist": ("mhist", "https://arxiv.org/abs/2101.12355"),
    "bach": ("bach", "https://arxiv.org/abs/1808.04277"),
}
"""Sets of tiles: the module that measures them, and where they were published."""
PROTOCOLS = {
    "zero_shot": "top-1 by names and prompts of ours",
    "zero_shot_quilt": "top-1 by the names of QuiltNet's authors",
    "linear_probe": "logistic regression on frozen vectors, chosen by val, reported on test",
    "knn": "vote of the 20 nearest of frozen vectors, reported on test",
}
WITHOUT_PROBES = ("lc25000_lung_whole", "lc25000_colon")
"""No split of these keeps copies of a source tile together, so nothing is trained on them."""


def benchmark_specs() -> Iterator[BenchmarkSpec]:
    """Yield every benchmark of this plugin's data sets."""
    for dataset, (module, source) in TILE_SETS.items():
        for protocol, summary in PROTOCOLS.items():
            if dataset in WITHOUT_PROBES and not protocol.startswith("zero_shot"):
                continue
            yield BenchmarkSpec(
                name=f"{dataset}_{protocol}",
                summary=summary,
                target=f"{FOLDER}.{module}:{dataset}_{protocol}",
                source=source,
                metric="top1_accuracy",
                dataset=dataset,
                domain=DOMAIN,
                modality=TILE,
                extra=DOMAIN,
            )
    yield BenchmarkSpec(
        name="bccd_counting",
        summary="which of ten sentences, from one cell to ten, fits best; by class, all images",
        target=f"{FOLDER}.bccd:counting",
        source="https://github.com/Shenggan/BCCD_Dataset",
        metric="counting_accuracy",
        dataset="bccd",
        domain=DOMAIN,
        modality=SMEAR,
        extra=DOMAIN,
    )
    yield from _radiograph_specs()
    yield from _report_specs()


def _radiograph_specs() -> Iterator[BenchmarkSpec]:
    """Yield the benchmarks of radiographs with one of five findings."""
    for dataset in ("chexpert_5x200", "mimic_5x200"):
        yield BenchmarkSpec(
            name=f"{dataset}_zero_shot",
            summary="one of five findings by prompts of ours: top-1, 200 images of each",
            target=f"{FOLDER}.five_class:{dataset}_zero_shot",
            source="https://arxiv.org/abs/2210.10163",
            metric="top1_accuracy",
            dataset=dataset,
            domain=DOMAIN,
            modality=RADIOGRAPH,
            extra=DOMAIN,
        )


def _report_specs() -> Iterator[BenchmarkSpec]:
    """Yield the benchmarks of volumes with reports."""
    offered = [
        ("ct_rate_retrieval", "recall of each report's volume among all 1,564, and back",
         "ct_rate:retrieval", "https://arxiv.org/abs/2403.17834", "recall_at_5", "ct_rate"),
        ("ct_rate_volume_retrieval", "findings that a volume shares with the nearest ones (MAP@k)",
         "ct_rate:volume_retrieval", "https://arxiv.org/abs/2403.17834", "map_at_5", "ct_rate"),
        ("ct_rate_findings_zero_shot", "18 findings by CT-CLIP's prompts: AUROC, F1 (macro)",
         "ct_rate:findings_zero_shot", "https://arxiv.org/abs/2403.17834", "auroc", "ct_rate"),
        ("merlin_findings_zero_shot", "30 findings by sentences of ours: F1, AUROC (macro)",
         "merlin_findings:zero_shot", "https://arxiv.org/abs/2406.06512", "f1", "merlin"),
        *((f"merlin_pool_{size}", f"recall of each text's volume in pools of {size}, and back",
           f"merlin:pool_{size}", "https://arxiv.org/abs/2406.06512", "recall_at_1", "merlin")
          for size in (32, 64, 128)),
    ]  # fmt: skip
    for name, summary, target, source, metric, dataset in offered:
        yield BenchmarkSpec(
            name=name,
            summary=summary,
            target=f"{FOLDER}.{target}",
            source=source,
            metric=metric,
            dataset=dataset,
            domain=DOMAIN,
            modality=VOLUME,
            extra=DOMAIN,
        )
