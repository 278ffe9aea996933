"""Train, measure and write the projectors that the plugins ship.

    python tools/train_projectors.py DATA_FOLDER --dataset all --seeds 5 --unseen

DATA_FOLDER holds the manifests named in projectors.yaml. Both towers stay frozen; their outputs are
kept in --cache. Training sees the train split only; the logit scale is fitted on the val split, or
where there is none on a quarter of the training groups by a fit without them. The first seed is
shipped, whatever the others give. Put the printed SHA-256 into the plugin's registry.yaml.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from projector_card import write_card
from projector_data import FrozenSet, Recipe, read_recipes
from projector_measures import Figures, Unseen, measure_pair, measure_shipped
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

from fieldguide.models.weights import file_digest
from fieldguide.plugins import get_catalog
from fieldguide.tuning.projector import (
    ProjectorPair,
    ProjectorSettings,
    TrainingSet,
    fit_projector,
)
from fieldguide.zeroshot.logit_scale import fit_logit_scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Rows = NDArray[np.int64]


def fit(data: FrozenSet, rows: Rows, seed: int, classes: Rows | None = None) -> ProjectorPair:
    """Fit on some training rows.

    Args:
        data: the data set.
        rows: places within the training split.
        seed: of the fit.
        classes: the classes that training may know; all by default.
    """
    known = np.arange(len(data.class_set.labels)) if classes is None else classes
    renumber = torch.full((len(data.class_set.labels),), -1)
    renumber[known] = torch.arange(len(known))
    train = data.rows("train")[rows]
    return fit_projector(
        TrainingSet(
            features=data.train_views[:, rows],
            captions=data.caption_vectors,
            pairs=data.pairs_of(train.tolist()),
            labels=renumber[data.labels[train]],
            prompts=[data.prompt_vectors[place] for place in known],
        ),
        ProjectorSettings(seed=seed),
    )


def fit_scale(data: FrozenSet, pair: ProjectorPair, seed: int) -> float:
    """Return the logit scale from rows that the fit behind it has not seen."""
    rows = data.rows("val")
    if len(rows) == 0:
        train = data.rows("train")
        names = np.unique(data.groups[train])
        np.random.default_rng(seed).shuffle(names)
        out = np.isin(data.groups[train], names[: len(names) // 4])
        pair, rows = fit(data, np.flatnonzero(~out), seed), train[out]
    classes = pair.project_classes(data.prompt_vectors)
    return fit_logit_scale(pair.project_images(data.features[rows]) @ classes.T, data.labels[rows])


def measure_unseen(data: FrozenSet) -> Unseen:
    """Hold out a fifth of the classes at a time, or each alone where there are five or fewer."""
    count = len(data.class_set.labels)
    order = np.random.default_rng(0).permutation(count)
    train_labels = data.labels[data.rows("train")].numpy()
    test = data.rows("test")
    truth = data.labels[test].numpy()
    figures = []
    for part in np.array_split(order, 5 if count > 5 else count):
        held = np.sort(part)
        rows = np.flatnonzero(~np.isin(train_labels, held))
        pair = fit(data, rows, 0, np.setdiff1d(np.arange(count), held))
        images = pair.project_images(data.features[test])
        cosine = (images @ pair.project_classes(data.prompt_vectors).T).numpy()
        of_held = np.isin(truth, held)
        among = held[cosine[of_held][:, held].argmax(axis=1)]
        areas = [roc_auc_score(truth == c, cosine[:, c]) for c in held if (truth == c).any()]
        figures.append(
            (
                np.mean(among == truth[of_held]),
                1 / len(held),
                np.mean(cosine[of_held].argmax(axis=1) == truth[of_held]),
                np.mean(areas),
            )
        )
    means = np.mean(figures, axis=0)
    return Unseen(len(figures), *map(float, means))


def save_pair(pair: ProjectorPair, path: Path, facts: Mapping[str, Any]) -> None:
    """Write float16 tensors with how they were made, in one metadata key for stable bytes."""
    tensors = {
        "image.weight": pair.image_weight,
        "image.bias": pair.image_bias,
        "text.weight": pair.text_weight,
        "text.bias": pair.text_bias,
        "logit_scale": torch.tensor(pair.logit_scale),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    save_file(halves, path, metadata={"made": json.dumps(facts, sort_keys=True)})
    path.chmod(0o644)  # safetensors keeps its files to their owner


def train(recipe: Recipe, data: FrozenSet, seeds: int, unseen: bool) -> None:
    """Fit every seed, ship the first, measure all and write the card."""
    everything = np.arange(len(data.rows("train")))
    runs: list[Figures] = []
    for seed in range(seeds):
        start = time.monotonic()
        pair = fit(data, everything, seed)
        seconds = time.monotonic() - start
        pair = replace(pair, logit_scale=fit_scale(data, pair, seed))
        if seed == 0:
            facts = {
                "dataset": recipe.dataset,
                "class_set": f"{recipe.class_set} version {data.class_set.version}",
                "settings": asdict(ProjectorSettings(seed=seed)),
            }
            save_pair(pair, recipe.weights, facts)
        runs.append(measure_pair(pair, data))
        print(f"{recipe.dataset} seed {seed}: {runs[-1]} fit {seconds:.0f} s", flush=True)
    shipped = measure_shipped(recipe, data)
    print(f"{recipe.dataset} shipped: {shipped}", flush=True)
    found = measure_unseen(data) if unseen else None
    print(f"{recipe.dataset} unseen: {found}", flush=True)
    write_card(recipe, data, shipped, runs, found)
    print(f"{recipe.weights}: sha256 {file_digest(recipe.weights)}", flush=True)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sum in one order, so that a second run gives the same weights."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def main() -> None:
    """Read the command line."""
    recipes = read_recipes()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--dataset", choices=[*recipes, "all"], default="all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--unseen", action="store_true", help="also hold classes out of training")
    parser.add_argument("--cache", type=Path, default=Path("build/projectors"))
    arguments = parser.parse_args()
    for name, recipe in recipes.items():
        if arguments.dataset in (name, "all"):
            data = FrozenSet(recipe, arguments.data, arguments.cache, get_catalog())
            _ = data.features, data.train_views  # with all cores
            _ = data.features, data.train_views  # with all cores, before:
            with one_thread():
                train(recipe, data, arguments.seeds, arguments.unseen)


if __name__ == "__main__":
    main()
