"""NWPU VHR-10: 650 images with boxes (Cheng et al. 2014, doi:10.1016/j.isprsjprs.2014.10.002)."""

from __future__ import annotations

from fieldguide.benchmarks.count_objects import BoxedImages, CountingBenchmark

DATA = BoxedImages(
    name="nwpu_vhr10",
    title="NWPU VHR-10",
    files=("annotations.json", "NWPU VHR-10 dataset/annotations.json"),
    folders=("positive image set", "NWPU VHR-10 dataset/positive image set"),
    images=650,
)
counting = CountingBenchmark(
    DATA,
    traps=(
        "Most classes of most images have few objects: always answering one or two is not far off. "
        "Compare the accuracy with that of each count.",
        "The 150 images without objects are no part of it.",
    ),
)
