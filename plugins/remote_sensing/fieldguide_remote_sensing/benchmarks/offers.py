"""What benchmarks the plugin offers; light, so that listing them costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.specs import BenchmarkSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "fieldguide_remote_sensing.benchmarks"
DOMAIN = "remote_sensing"
MODALITY = "rgb_scene"
SCENE_SETS = {
    "eurosat": "https://arxiv.org/abs/1709.00029",
    "resisc45": "https://arxiv.org/abs/1703.00121",
    "aid": "https://arxiv.org/abs/1608.05167",
    "uc_merced": "https://doi.org/10.1145/1869790.1869829",
    "patternnet": "https://arxiv.org/abs/1706.03424",
    "rsscn7": "https://doi.org/10.1109/LGRS.2015.2475299",
}
"""Data sets with one label an image, and where they were published."""
PROTOCOLS = {
    "zero_shot": "top-1 by the prompts of its class set, all images",
    "linear_probe": "logistic regression on frozen vectors, 60/20/20 split",
    "knn": "vote of the 20 nearest of frozen vectors, 60/20/20 split",
    "few_shot": "logistic regression on 1, 2, 4, 8 and 16 images a class, 5 draws",
}
RS5M_SETS = ("eurosat", "resisc45", "aid")
"""Those that GeoRSCLIP's authors report with prompts of their own."""
CAPTION_SETS = {
    "rsicd": "https://arxiv.org/abs/1712.07835",
    "rsitmd": "https://arxiv.org/abs/2204.09868",
    "ucm_captions": "https://doi.org/10.1109/CITS.2016.7546397",
}


def benchmark_specs() -> Iterator[BenchmarkSpec]:
    """Yield every benchmark of this plugin's data sets."""
    for dataset, source in SCENE_SETS.items():
        for protocol, summary in PROTOCOLS.items():
            yield _spec(dataset, protocol, summary, source, "top1_accuracy")
    for dataset in RS5M_SETS:
        summary = "top-1 by the names and 105 prompts of GeoRSCLIP's authors, all images"
        source = "https://arxiv.org/abs/2306.11300"
        yield _spec(dataset, "zero_shot_rs5m", summary, source, "top1_accuracy")
    for dataset, source in CAPTION_SETS.items():
        summary = "recall both ways with five captions an image, test split"
        yield _spec(dataset, "retrieval", summary, source, "mean_recall")
    summary = "which of ten sentences, from one object to ten, fits best; all images"
    source = "https://arxiv.org/abs/2306.11029"
    yield _spec("nwpu_vhr10", "counting", summary, source, "counting_accuracy")
    summary = "mean average precision over 19 classes, red, green and blue, test split"
    yield _spec("bigearthnet", "zero_shot", summary, "https://arxiv.org/abs/2407.03653", "map")


def _spec(dataset: str, protocol: str, summary: str, source: str, metric: str) -> BenchmarkSpec:
    return BenchmarkSpec(
        name=f"{dataset}_{protocol}",
        summary=summary,
        target=f"{FOLDER}.{dataset}:{protocol}",
        source=source,
        metric=metric,
        dataset=dataset,
        domain=DOMAIN,
        modality=MODALITY,
        extra="remote-sensing",
    )
