"""AID: 10,000 aerial scenes of 600 px, 30 classes (Xia et al. 2017, arXiv:1608.05167)."""

from __future__ import annotations

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide_remote_sensing.benchmarks.protocols import RS5M_TRAP, scene_benchmarks

COUNTS = {
    "airport": 360,
    "bare land": 310,
    "baseball field": 220,
    "beach": 400,
    "bridge": 360,
    "center": 260,
    "church": 240,
    "commercial": 350,
    "dense residential": 410,
    "desert": 300,
    "farmland": 370,
    "forest": 250,
    "industrial": 390,
    "meadow": 280,
    "medium residential": 290,
    "mountain": 340,
    "park": 350,
    "parking": 390,
    "playground": 370,
    "pond": 420,
    "port": 380,
    "railway station": 260,
    "resort": 290,
    "river": 410,
    "school": 300,
    "sparse residential": 300,
    "square": 330,
    "stadium": 290,
    "storage tanks": 360,
    "viaduct": 420,
}
TRAPS = (
    "Several classes are parts of others: a school, a resort and a park look alike at 600 px.",
)
DATA = ClassFolders(
    name="aid",
    title="AID",
    class_set="aid",
    places=("AID", "images", "."),
    counts=COUNTS,
)

zero_shot, linear_probe, knn, few_shot = scene_benchmarks(DATA, TRAPS)
zero_shot_rs5m = LabelledBenchmark(
    DATA, ZeroShot("aid_rs5m", "zero_shot_rs5m"), (*TRAPS, RS5M_TRAP)
)
