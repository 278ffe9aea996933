"""RSICD: 10,921 images with five captions each; test: 1,093 (Lu et al. 2017, arXiv:1712.07835)."""

from __future__ import annotations

from fieldguide.benchmarks.caption_retrieval import CaptionRetrieval
from fieldguide.benchmarks.captioned import CaptionFile

DATA = CaptionFile(
    name="rsicd",
    title="RSICD",
    files=("dataset_rsicd.json", "RSICD/dataset_rsicd.json"),
    folders=("RSICD_images", "images"),
    images=1093,
)
retrieval = CaptionRetrieval(
    DATA,
    traps=(
        "Where annotators wrote fewer than five captions, the owners repeated some to make five.",
    ),
)
