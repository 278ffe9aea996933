"""NWPU-RESISC45: 31,500 images, 45 classes (Cheng et al. 2017, arXiv:1703.00121)."""

from __future__ import annotations

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide_remote_sensing.benchmarks.protocols import RS5M_TRAP, scene_benchmarks

TRAPS = (
    "The owners give no split; open_clip's published figures are on a test split of 6,300 images.",
)
DATA = ClassFolders(
    name="resisc45",
    title="RESISC45",
    class_set="resisc45",
    places=("NWPU-RESISC45", "RESISC45", "."),
    counts=700,
)

zero_shot, linear_probe, knn, few_shot = scene_benchmarks(DATA, TRAPS)
zero_shot_rs5m = LabelledBenchmark(
    DATA, ZeroShot("resisc45_rs5m", "zero_shot_rs5m"), (*TRAPS, RS5M_TRAP)
)
