"""RSSCN7: 2,800 images, 7 classes (Zou et al. 2015, doi:10.1109/LGRS.2015.2475299)."""

from __future__ import annotations

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide_remote_sensing.benchmarks.protocols import scene_benchmarks

TRAPS = ("100 images of each class at each of four scales: the scale is no part of the label.",)
DATA = ClassFolders(
    name="rsscn7",
    title="RSSCN7",
    class_set="rsscn7",
    places=("RSSCN7", "."),
    counts=400,
)

zero_shot, linear_probe, knn, few_shot = scene_benchmarks(DATA, TRAPS)
