"""UCM-Captions: 2,100 images with five captions each; test: 210 (Qu et al. 2016)."""

from __future__ import annotations

from fieldguide.benchmarks.caption_retrieval import CaptionRetrieval
from fieldguide.benchmarks.captioned import CaptionFile

DATA = CaptionFile(
    name="ucm_captions",
    title="UCM",
    files=("dataset.json", "dataset_ucm.json", "UCM_captions/dataset.json"),
    folders=("imgs", "images", "UCM_captions/imgs"),
    images=210,
)
retrieval = CaptionRetrieval(
    DATA,
    traps=(
        "Images of a class share most of their captions, so that the right one of many cannot be "
        "known: the best possible recall is far below 100 %.",
    ),
)
