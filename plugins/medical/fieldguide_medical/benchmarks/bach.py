"""BACH: 400 microscopy images of the breast, 4 classes (Aresta et al. 2019, arXiv:1808.04277)."""

from __future__ import annotations

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide_medical.benchmarks.protocols import probes, zero_shots

TRAPS = (
    "The labels of the challenge's own test images are not public: these are its 400 training "
    "images, and several of them are of one patient, which the files do not tell.",
    "An image of 2048 x 1536 px is made as small as the model takes, so nuclei are hardly seen.",
)
DATA = ClassFolders(
    name="bach",
    title="BACH",
    class_set="bach",
    places=("ICIAR2018_BACH_Challenge/Photos", "Photos", "."),
    counts=100,
    suffixes=(".tif",),
)

bach_zero_shot, bach_zero_shot_quilt = zero_shots(DATA, "bach", "bach_quilt", TRAPS)
bach_linear_probe, bach_knn = probes(DATA, TRAPS)
