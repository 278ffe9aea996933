"""What benchmarks the plugin offers; light, so that listing them costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.specs import BenchmarkSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "fieldguide_biodiversity.benchmarks"
DOMAIN = "biodiversity"
PHOTO, FISH = "organism_photo", "underwater_fish"
META_ALBUM = ("plk", "ins", "ins_2", "plt_net", "fng", "plt_vil", "med_lf", "plt_doc")
TRAINED = ("simple_shot", "knn", "linear_probe")
SUMMARIES = {
    "zero_shot": "top-1 by the names of the set's classes",
    "zero_shot_sci": "top-1 by scientific names",
    "zero_shot_com": "top-1 by common names",
    "zero_shot_plain": "top-1 by the set's names without underscores, one template",
    "zero_shot_written": "top-1 by the names of the folders, CLIP's 80 templates",
    "simple_shot": "nearest centred mean of 5 and of 1 image a class, five draws",
    "knn": "vote of the 20 nearest of frozen vectors",
    "linear_probe": "logistic regression on frozen vectors",
}
SETS = {
    "rare_species": ("rare_species", "https://arxiv.org/abs/2311.18803",
                     ("zero_shot", "zero_shot_sci", "zero_shot_com", *TRAINED)),
    "birds_525": ("birds_525", "https://www.kaggle.com/datasets/gpiosenka/100-bird-species",
                  ("zero_shot", "zero_shot_sci", *TRAINED)),
    "cub_200_2011": ("birds", "https://www.vision.caltech.edu/datasets/cub_200_2011/",
                     ("zero_shot", *TRAINED)),
    "nabirds": ("birds", "https://dl.allaboutbirds.org/nabirds", ("zero_shot", *TRAINED)),
    "inat2021": ("inat2021", "https://arxiv.org/abs/2103.16483",
                 ("zero_shot", "zero_shot_sci", "zero_shot_com", "simple_shot")),
    "plantvillage": ("plantvillage", "https://arxiv.org/abs/1511.08060",
                     ("zero_shot", "zero_shot_written", *TRAINED)),
    "fish4knowledge": ("fish4knowledge", "https://doi.org/10.1007/978-3-319-30208-9",
                       ("zero_shot", *TRAINED)),
    **{f"meta_album_{short}": ("meta_album", "https://arxiv.org/abs/2302.08909",
                               ("zero_shot", "zero_shot_plain", *TRAINED))
       for short in META_ALBUM},
}  # fmt: skip
"""Module, source and protocols of each data set."""


def benchmark_specs() -> Iterator[BenchmarkSpec]:
    """Yield every benchmark of this plugin's data sets."""
    for dataset, (module, source, protocols) in SETS.items():
        modality = FISH if dataset == "fish4knowledge" else PHOTO
        for protocol in protocols:
            yield _spec(dataset, protocol, module, source, modality)
    yield _spec("bioclip_ten_sets", "zero_shot", "ten_sets", "https://arxiv.org/abs/2311.18803",
                PHOTO)  # fmt: skip


def _spec(dataset: str, protocol: str, module: str, source: str, modality: str) -> BenchmarkSpec:
    return BenchmarkSpec(
        name=f"{dataset}_{protocol}",
        summary=SUMMARIES[protocol],
        target=f"{FOLDER}.{module}:{dataset}_{protocol}",
        source=source,
        metric="top1_accuracy",
        dataset=dataset,
        domain=DOMAIN,
        modality=modality,
        extra=DOMAIN,
    )
