"""Train and measure the adapters that the plugins ship, by 'fieldguide tune' as any user does.

    python tools/train_adapters.py DATA_FOLDER --only aid_lora --seeds 3 --output build/adapters

DATA_FOLDER holds the manifests named in adapters.yaml. Each seed is trained anew; with --ship that
of seed 0 is copied into its plugin, whatever the others give, with the licence text of its data.
Put the printed SHA-256 of adapter.json into the plugin's registry.yaml. Options that are not known
here go to 'fieldguide tune'.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fieldguide.models.weights import file_digest
from fieldguide.tuning.adapter_files import load_adapter, save_adapter

TOP = Path(__file__).parents[1]


@dataclass(frozen=True)
class Recipe:
    """One entry of adapters.yaml.

    Attributes:
        name: of the adapter.
        manifest: relative to the folder of data, as are those of ``general``, ``sister`` and
            ``replay``.
        licence_of: the shipped model whose licence text holds for the same data.
        settings: of ``fieldguide tune``.
    """

    name: str
    domain: str
    modality: str
    model: str
    manifest: str
    general: tuple[str, ...]
    licence_of: str
    settings: dict[str, Any]
    sister: tuple[str, ...] = ()
    replay: tuple[str, ...] = ()

    @property
    def weights(self) -> Path:
        """The plugin's folder of weights."""
        return TOP / "plugins" / self.domain / f"fieldguide_{self.domain}" / "weights"

    def command(self, data: Path, output: Path, seed: int, extra: list[str]) -> list[str]:
        """Return the words of the command, with paths as they are from the manifest's folder."""
        folder = (data / self.manifest).parent
        words = ["tune", Path(self.manifest).name, "-o", str(output), "--domain", self.domain]
        words += ["--modality", self.modality, "--model", self.model, "--name", self.name]
        words += ["--seed", str(seed), "--licence", "LicenseRef-research-only", "--research-only"]
        for name, value in self.settings.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        for manifest in self.general:
            words += ["--general", os.path.relpath(data / manifest, folder)]
        for manifest in self.sister:
            words += ["--sister", f"{self.domain}={os.path.relpath(data / manifest, folder)}"]
        for manifest in self.replay:
            words += ["--replay", os.path.relpath(data / manifest, folder)]
        return [*words, *extra]


def read_recipes() -> dict[str, Recipe]:
    """Return the recipes by the adapters' names."""
    content = yaml.safe_load(Path(__file__).with_name("adapters.yaml").read_text("utf-8"))
    return {
        name: Recipe(name=name, **{**entry, **{kind: tuple(entry.get(kind, ()))
                                                for kind in ("general", "sister", "replay")}})
        for name, entry in content.items()
    }  # fmt: skip


def train(recipe: Recipe, data: Path, output: Path, seed: int, extra: list[str]) -> Path:
    """Train one seed; print its figures; return the adapter's folder."""
    folder = output / f"{recipe.name}-{recipe.settings['method']}-seed{seed}"
    words = recipe.command(data.absolute(), folder.absolute(), seed, extra)
    print(shlex.join(["fieldguide", *words]), flush=True)
    start = time.monotonic()
    command = [sys.executable, "-m", "fieldguide", *words]
    subprocess.run(command, cwd=(data / recipe.manifest).parent, check=True)
    print(f"{folder.name}: {time.monotonic() - start:.0f} s with measuring", flush=True)
    return folder


def ship(recipe: Recipe, folder: Path) -> None:
    """Copy an adapter into its plugin, with the licence text; its command names no place here."""
    target = recipe.weights / recipe.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    licence = (recipe.weights / f"LICENSE-{recipe.licence_of}.txt").read_text("utf-8")
    named = licence.replace(f"{recipe.licence_of}.safetensors", "adapter.safetensors")
    (target / "LICENSE.txt").write_text(named, "utf-8")
    adapter = load_adapter(target)
    save_adapter(adapter, target)
    print(f"{target / 'adapter.json'}: sha256 {file_digest(target / 'adapter.json')}", flush=True)


def main() -> None:
    """Read the command line."""
    recipes = read_recipes()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--only", choices=list(recipes), action="append")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("build/adapters"))
    parser.add_argument("--ship", action="store_true")
    arguments, extra = parser.parse_known_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.only or recipes:
        recipe = recipes[name]
        for seed in range(arguments.seeds):
            folder = train(recipe, arguments.data, arguments.output, seed, extra)
            if seed == 0 and arguments.ship:
                ship(recipe, folder)


if __name__ == "__main__":
    main()
