"""PatternNet: 30,400 images, 38 classes (Zhou et al. 2018, arXiv:1706.03424)."""

from __future__ import annotations

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide_remote_sensing.benchmarks.protocols import scene_benchmarks

TRAPS = ("It was made for retrieval by image; published classification figures are few.",)
DATA = ClassFolders(
    name="patternnet",
    title="PatternNet",
    class_set="patternnet",
    places=("PatternNet/images", "images", "."),
    counts=800,
)

zero_shot, linear_probe, knn, few_shot = scene_benchmarks(DATA, TRAPS)
