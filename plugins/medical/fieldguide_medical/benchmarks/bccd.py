"""BCCD: 364 blood smears with boxes of their cells (github.com/Shenggan/BCCD_Dataset).

Two of them have a box without a size and are left out, since any count without it would be wrong.
"""

from __future__ import annotations

from fieldguide.benchmarks.count_objects import CountingBenchmark
from fieldguide.benchmarks.voc_images import VocImages

USABLE = 362
DATA = VocImages(
    name="bccd",
    title="BCCD",
    places=(
        ("BCCD/Annotations", "BCCD/JPEGImages"),
        ("Annotations", "JPEGImages"),
        ("annotations", "images"),
    ),
    images=USABLE,
    unusable=2,
    names={"RBC": "red blood cell", "WBC": "white blood cell", "Platelets": "platelet"},
)
counting = CountingBenchmark(
    DATA,
    traps=(
        "Most images have one white cell and eleven red ones or more, which no sentence counts: "
        "always answering one is right for most pairs. Compare the accuracy with that of each "
        "count.",
        "Two of 364 images have a box without a size and are left out.",
    ),
)
