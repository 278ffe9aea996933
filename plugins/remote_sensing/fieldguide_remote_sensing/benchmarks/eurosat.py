"""EuroSAT: 27,000 Sentinel-2 images, 10 classes (Helber et al. 2019, arXiv:1709.00029)."""

from __future__ import annotations

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide_remote_sensing.benchmarks.protocols import RS5M_TRAP, scene_benchmarks

COUNTS = {
    "annual crop": 3000,
    "forest": 3000,
    "herbaceous vegetation": 3000,
    "highway": 2500,
    "industrial": 2500,
    "pasture": 2000,
    "permanent crop": 2500,
    "residential": 3000,
    "river": 2500,
    "sea or lake": 3000,
}
TRAPS = (
    "The images have 64 px of 10 m and are enlarged to what the model takes.",
    "The owners give no split; published figures are on several, and do not compare across them.",
)
DATA = ClassFolders(
    name="eurosat",
    title="EuroSAT",
    class_set="eurosat",
    places=("EuroSAT_RGB", "2750", "EuroSAT/2750", "EuroSAT", "."),
    counts=COUNTS,
)

zero_shot, linear_probe, knn, few_shot = scene_benchmarks(DATA, TRAPS)
zero_shot_rs5m = LabelledBenchmark(
    DATA, ZeroShot("eurosat_rs5m", "zero_shot_rs5m"), (*TRAPS, RS5M_TRAP)
)
