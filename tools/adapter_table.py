"""Print what several seeds of an adapter gained and cost, as a Markdown table.

python tools/adapter_table.py build/adapters/aid_lora-lora-seed*
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from fieldguide.tuning.adapter_files import load_adapter
from fieldguide.tuning.suite_figures import FIGURES


def rows(folders: list[Path], strength: float) -> list[str]:
    """Return one line a figure of each suite: base, then mean and deviation over the seeds."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for folder in folders:
        figures = load_adapter(folder).config.figures
        place = figures["strengths"].index(strength)
        for suite in figures["suites"]:
            for name, value in suite["test"][place].items():
                pair = (suite["test"][0][name]["value"], value["value"])
                found.setdefault((suite["name"], name), []).append(pair)
    lines = []
    for (suite_name, name), pairs in found.items():
        before, after = (100 * statistics.mean(column) for column in zip(*pairs, strict=True))
        spread = 100 * statistics.stdev(p[1] for p in pairs) if len(pairs) > 1 else 0.0
        each = ", ".join(f"{100 * p[1]:.1f}" for p in pairs)
        lines.append(
            f"| {suite_name} | {FIGURES[name]} | {strength:g} | {before:.1f} | "
            f"{after:.1f} +- {spread:.1f} | {each} |"
        )
    return lines


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--strength", type=float, action="append")
    arguments = parser.parse_args()
    print("| suite | figure | strength | base | tuned, seeds | each |\n|---|---|---|---|---|---|")
    for strength in arguments.strength or (1.0,):
        print("\n".join(rows(arguments.folders, strength)))


if __name__ == "__main__":
    main()
