"""NCT-CRC-HE-100K and CRC-VAL-HE-7K: colorectal tissue (Kather et al. 2018, zenodo.1214456)."""

from __future__ import annotations

from dataclasses import replace

from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.split_folders import SplitFolders
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide_medical.benchmarks.protocols import PROMPT_TRAP, QUILT_TRAP, probes

LABELS = (
    "adipose tissue", "background", "debris", "lymphocytes", "mucus", "smooth muscle",
    "normal colon mucosa", "cancer-associated stroma", "colorectal adenocarcinoma epithelium",
)  # fmt: skip
TRAIN = (10_407, 10_566, 11_512, 11_557, 8_896, 13_536, 8_763, 10_446, 14_317)
TEST = (1_338, 847, 339, 634, 1_035, 592, 741, 421, 1_233)
TRAPS = (
    "CRC-VAL-HE-7K is of other patients than NCT-CRC-HE-100K; figures on the 100,000 tiles, or on "
    "a random part of them, do not compare.",
    "The tiles are normalised by Macenko's method; NCT-CRC-HE-100K-NONORM and CRC-100K-Raw are "
    "others.",
)
TESTED = ClassFolders(
    name="nct_crc",
    title="NCT-CRC",
    class_set="nct_crc",
    places=("CRC-VAL-HE-7K",),
    counts=dict(zip(LABELS, TEST, strict=True)),
    suffixes=(".tif",),
)
TRAINED = replace(TESTED, places=("NCT-CRC-HE-100K",), counts=dict(zip(LABELS, TRAIN, strict=True)))
BOTH = SplitFolders({"train": TRAINED, "test": TESTED})

nct_crc_zero_shot = LabelledBenchmark(TESTED, ZeroShot("nct_crc"), (*TRAPS, PROMPT_TRAP))
nct_crc_zero_shot_quilt = LabelledBenchmark(
    replace(TESTED, class_set="nct_crc_quilt"),
    ZeroShot("nct_crc_quilt", "zero_shot_quilt"),
    (*TRAPS, QUILT_TRAP, "Eight classes: QuiltNet's authors leave the background out."),
)
nct_crc_linear_probe, nct_crc_knn = probes(BOTH, TRAPS)
