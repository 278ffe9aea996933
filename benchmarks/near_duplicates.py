"""How near the looks of different pictures come, and how long the search for near ones takes.

    python benchmarks/near_duplicates.py MANIFEST [--domain D] [--modality M] [--group-column G]

For each of the eight forms and each distance: pairs, share of one label, share of one group. Then
the time of a search among 100,000 random hashes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import fieldguide as fg
from fieldguide.tuning.examples import read_examples
from fieldguide.tuning.fingerprints import take_fingerprints
from fieldguide.tuning.near_duplicates import distance_bits, near_duplicate_groups

FARTHEST_BITS = 10
MANY = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest")
    for option in ("--domain", "--modality", "--group-column"):
        parser.add_argument(option)
    arguments = parser.parse_args()
    guide = fg.guide(arguments.domain or "general", modality=arguments.modality)
    examples = read_examples(guide, arguments.manifest, group_column=arguments.group_column)
    plan = guide.planner.plan(list(examples.items), thumbnails=False)
    start = time.perf_counter()
    marks = take_fingerprints(examples.items, plan.reader, workers=2)
    print(f"{len(marks)} pictures read in {time.perf_counter() - start:.1f} s")
    labels, groups = np.array(examples.labels), np.array(examples.groups)
    for form in range(marks.hashes.shape[1]):
        far = distance_bits(marks.hashes[:, form][:, None], marks.hashes[None, :, 0])
        np.fill_diagonal(far, 65)
        for bits in range(FARTHEST_BITS + 1):
            a, b = np.nonzero(far == bits)
            if len(a):
                same = (labels[a] == labels[b]).mean(), (groups[a] == groups[b]).mean()
                print(f"form {form}, {bits:2} bits: {len(a):5} pairs, "
                      f"{same[0]:.0%} of one label, {same[1]:.0%} of one group")  # fmt: skip
    hashes = np.random.default_rng(0).integers(0, 2**64, (MANY, 8), dtype=np.uint64, endpoint=False)
    start = time.perf_counter()
    near_duplicate_groups(hashes)
    print(f"groups of {MANY:,} random hashes in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
