"""Regions with their attributes against whole images: how much a mapping is worth, by complexity.

    python benchmarks/region_attributes.py
    python benchmarks/region_attributes.py --complexity 4 12 20 28 --documents 1500

Documents as ``fieldguide.data.drawn_documents`` draws them. Of each only the attributes of the
whole are known. A mapper gives them to cells, and a map of two layers is trained with InfoNCE: once
on cells with the attributes that they were given, once on whole documents. Both are then asked for
the cells of new documents, in other handwriting, that show each attribute (R-precision). The claim
of Varma et al. 2023 (arXiv:2308.11194) is that the difference grows with complexity.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.data.drawn_documents import ATTRIBUTES, draw_documents
from fieldguide.data.region_attributes import RegionAttributeMapper, Regions
from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.sides import Side

FEATURES, TEXTS = 96, 32
BATCH, STEPS, RATE, SCALE = 128, 300, 3e-3, 14.0
MAPPER = RegionAttributeMapper(hidden=32, learning_rate=3e-3, steps=200)


@dataclass(frozen=True)
class Cells:
    """Drawn cells that are not empty: features, the document of each, and what they show."""

    features: Tensor  # (R, D)
    documents: Tensor  # (R,)
    truth: Tensor  # (R, A)

    @property
    def present(self) -> Tensor:
        """(N, A) attributes of the documents."""
        summed = torch.zeros(int(self.documents[-1]) + 1, self.truth.shape[1])
        return summed.index_add(0, self.documents, self.truth.float()) > 0


def draw(count: int, complexity: int, seed: int, encoder: PCA | None = None) -> tuple[Cells, PCA]:
    """Return cells with features of a frozen encoder: principal components of their pixels."""
    drawn = draw_documents(count, complexity, seed, unseen_digits=encoder is not None)
    pixels = drawn.cells.reshape(count * 9, -1) / 255.0
    full = drawn.truth.reshape(count * 9, -1).any(axis=1)
    frozen = encoder or PCA(FEATURES, random_state=0, svd_solver="randomized").fit(pixels[full])
    features = frozen.transform(pixels[full]) / np.sqrt(frozen.explained_variance_).mean()
    truth = torch.from_numpy(drawn.truth.reshape(count * 9, -1)[full])
    documents = torch.arange(count).repeat_interleave(9)[torch.from_numpy(full)]
    return Cells(torch.from_numpy(features).float(), documents, truth), frozen


def texts_of_attributes() -> Tensor:
    """Return a unit vector for each attribute, (A, E); they stand for those of a text tower."""
    generator = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(len(ATTRIBUTES), TEXTS, generator=generator), dim=1)


def train(cells: Cells, owners: Tensor, attributes: Tensor, texts: Tensor, seed: int) -> nn.Module:
    """Train a map with InfoNCE on pairs of groups of cells and the mean text of their attributes.

    Args:
        cells: with features.
        owners: (R,) the pair that each cell is of.
        attributes: (P, A) of the pairs.
        texts: (A, E).
        seed: of weights and batches.
    """
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(FEATURES, 128), nn.ReLU(), nn.Linear(128, TEXTS))
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    places = torch.argsort(owners, stable=True).split(torch.bincount(owners).tolist())
    useful = attributes.any(dim=1).nonzero()[:, 0]
    own_texts = F.normalize(attributes.float() @ texts, dim=1)
    for _ in range(STEPS):
        pairs = useful[torch.randint(len(useful), (BATCH,))].unique()
        rows = torch.cat([places[pair] for pair in pairs.tolist()])
        groups = torch.arange(len(pairs)).repeat_interleave(
            torch.tensor([len(places[pair]) for pair in pairs.tolist()])
        )
        found = F.normalize(network(cells.features[rows]), dim=1)
        means = torch.zeros(len(pairs), TEXTS).index_add(0, groups, found)
        keys = torch.arange(len(pairs))[:, None]
        images = Side(F.normalize(means, dim=1), keys, None)
        loss = InfoNCE()(images, Side(own_texts[pairs], keys, None), torch.tensor(SCALE),
                         torch.tensor(0.0))  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def r_precision(network: nn.Module, cells: Cells, texts: Tensor) -> float:
    """Return the share of an attribute's R cells among its R best, mean over attributes."""
    with torch.no_grad():
        scores = F.normalize(network(cells.features), dim=1) @ texts.T  # (R, A)
    shares = []
    for attribute in range(texts.shape[0]):
        right = cells.truth[:, attribute]
        best = scores[:, attribute].argsort(descending=True)[: int(right.sum())]
        shares.append(float(right[best].float().mean()))
    return float(np.mean(shares))


def measure(complexity: int, documents: int, seed: int = 0) -> dict[str, float]:
    """Return the mapping's F1 and both R-precisions at one complexity."""
    texts = texts_of_attributes()
    cells, encoder = draw(documents, complexity, 2 * seed)
    present = cells.present
    start = time.perf_counter()
    mapping = MAPPER.map(Regions(cells.features, cells.documents, present, ~present, texts))
    took_s = time.perf_counter() - start
    fresh, _ = draw(300, complexity, 2 * seed + 1, encoder)
    by_region = train(cells, torch.arange(len(cells.features)), mapping.assigned, texts, seed)
    by_image = train(cells, cells.documents, present, texts, seed)
    regions, images = (r_precision(each, fresh, texts) for each in (by_region, by_image))
    return {
        "complexity": complexity,
        "mapping_f1": mapping.precision_recall_f1(cells.truth)[2],
        "by_region": regions,
        "by_image": images,
        "gap": regions - images,
        "mapping_s": took_s,
    }


def main() -> None:
    """Print a line a complexity."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--complexity", type=int, nargs="+", default=[4, 8, 12, 16, 20, 24, 28, 30])
    parser.add_argument("--documents", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for complexity in asked.complexity:
        found = measure(complexity, asked.documents, asked.seed)
        print(json.dumps({name: round(value, 3) for name, value in found.items()}), flush=True)


if __name__ == "__main__":
    main()
