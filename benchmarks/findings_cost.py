"""What 18 findings cost beside one, on a real CT volume: processor time of the call and its parts.

    python benchmarks/findings_cost.py VOLUME.nii.gz [--model volumes.yaml] [--rounds 9]

Without a model the embedded one is made one of volumes: 72 slices of 224 x 224 px, pooled by their
mean. Calls for one finding and for 18 take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldguide.guides import Guide

MANY = "ct_rate_18"
RECIPE = "base: {base}\ncontract: chest_slices\npooling: mean\n"
EMBEDDED = "embedded_conse"


def one_finding(folder: Path, guide: Guide) -> Path:
    """Write a class set with the first finding of the larger one."""
    from fieldguide.zeroshot.class_sets import load_class_set

    whole = load_class_set(MANY, guide.catalog)
    content = whole.model_copy(update={"name": "one", "classes": whole.classes[:1]}).model_dump()
    path = folder / "one.yaml"
    path.write_text(json.dumps(content), "utf-8")  # JSON is YAML
    return path


def seconds(work: Callable[[], object]) -> float:
    """Return the processor's time of a call: another job beside it does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(guide: Guide, volume: Path, few: Path, rounds: int) -> dict[str, float]:
    """Return seconds of the first calls, and medians of later ones in turn."""
    from fieldguide.zeroshot.choose import judge
    from fieldguide.zeroshot.class_sets import load_class_set

    classes = {"one": str(few), "many": MANY}
    found = {f"first_{name}_s": seconds(lambda c=name_of: guide.classify(volume, classes=c))
             for name, name_of in classes.items()}  # fmt: skip
    later: dict[str, list[float]] = {name: [] for name in classes}
    for _ in range(rounds):
        for name, name_of in classes.items():
            later[name].append(seconds(lambda c=name_of: guide.classify(volume, classes=c)))
    found |= {f"{name}_s": statistics.median(times) for name, times in later.items()}
    _, record = guide.planner.text_model()
    sets = load_class_set(MANY, guide.catalog)
    embeddings = guide.encode_image(volume)
    encoder = guide.planner.encoder(record)
    judged = judge(sets, encoder, guide.catalog)
    found["encode_s"] = statistics.median(seconds(lambda: guide.encode_image(volume))
                                          for _ in range(3))  # fmt: skip
    found["judge_18_s"] = seconds(lambda: judged.probabilities(embeddings))
    found["ratio"] = found["many_s"] / found["one_s"]
    found["ratio_by_best"] = min(later["many"]) / min(later["one"])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volume", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--base", default=EMBEDDED)
    parser.add_argument("--rounds", type=int, default=9)
    told = parser.parse_args()
    os.environ["FIELDGUIDE_CACHE"] = "off"  # first calls embed their sentences
    from fieldguide.guides import Guide

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = told.model
        if model is None:
            model = str(folder / "volumes.yaml")
            Path(model).write_text(RECIPE.format(base=told.base), "utf-8")
        guide = Guide("medical", modality="ct_volume", model=model, out_of_scope=True)
        found = measure(guide, told.volume, one_finding(folder, guide), told.rounds)
    for name, value in found.items():
        print(f"{name:<14} {value:.4f}")


if __name__ == "__main__":
    main()
