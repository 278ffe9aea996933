"""UC Merced Land Use: 2,100 images, 21 classes (Yang and Newsam 2010)."""

from __future__ import annotations

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide_remote_sensing.benchmarks.protocols import scene_benchmarks

TRAPS = ("100 images a class: intervals are wide, and most published figures lie close to 100 %.",)
DATA = ClassFolders(
    name="uc_merced",
    title="UC Merced",
    class_set="uc_merced",
    places=("UCMerced_LandUse/Images", "Images", "."),
    counts=100,
    suffixes=(".tif",),
)

zero_shot, linear_probe, knn, few_shot = scene_benchmarks(DATA, TRAPS)
