"""RSITMD: 4,743 images with five captions each; test: 452 (Yuan et al. 2022, arXiv:2204.09868)."""

from __future__ import annotations

from fieldguide.benchmarks.caption_retrieval import CaptionRetrieval
from fieldguide.benchmarks.captioned import CaptionFile

DATA = CaptionFile(
    name="rsitmd",
    title="RSITMD",
    files=("dataset_RSITMD.json", "RSITMD/dataset_RSITMD.json"),
    folders=("images", "RSITMD/images"),
    images=452,
)
retrieval = CaptionRetrieval(
    DATA,
    traps=(
        "452 images are a small pool: recall at 10 finds one in 45 by chance, in RSICD one in 109.",
    ),
)
