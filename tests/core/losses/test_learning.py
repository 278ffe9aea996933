"""Small trainings from nothing: what each loss is said to achieve, on worlds made for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.losses.infonce import InfoNCE, convirt
from fieldguide.losses.multi_positive import class_level
from fieldguide.losses.sides import Loss, Side
from fieldguide.losses.soft_targets import ContextualTargets

Draw = Callable[[int], tuple[Tensor, Tensor, Tensor]]  # images, texts and keys of a batch


def unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors, dim=1)


def train(
    towers: tuple[nn.Module, nn.Module], draw: Draw, loss: Loss, steps: int, scale: float = 10.0
) -> None:
    """Train both towers by Adam on batches of 64 pairs, at a fixed scale."""
    parameters = [p for tower in towers for p in tower.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    for _ in range(steps):
        images, texts, keys = draw(64)
        sides = [Side(unit(tower(values)), keys[:, None])
                 for tower, values in zip(towers, (images, texts), strict=True)]  # fmt: skip
        optimizer.zero_grad()
        loss(*sides, torch.tensor(scale), torch.tensor(0.0)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@pytest.fixture(autouse=True)
def same_weights() -> Any:
    """Start every training from the same weights and batches."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


COLOURS = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0]])
SIDE = 12


def draw_shapes(colours: Tensor, shapes: Tensor) -> Tensor:
    """Draw a disc, square, cross or ring in a colour at a random place; (B, 3 * 12 * 12)."""
    steps = torch.arange(SIDE).float()
    centres = torch.randint(4, SIDE - 4, (len(shapes), 2)).float()
    down = (steps[None] - centres[:, :1])[:, :, None].abs()  # (B, 12, 1)
    across = (steps[None] - centres[:, 1:])[:, None, :].abs()  # (B, 1, 12)
    distance = (down**2 + across**2).sqrt()
    masks = torch.stack([
        distance < 3.2,
        (down < 3) & (across < 3),
        ((down < 1) & (across < 4)) | ((across < 1) & (down < 4)),
        (distance < 4) & (distance > 2.2),
    ]).float()  # fmt: skip  # (4, B, 12, 12)
    mask = masks[shapes, torch.arange(len(shapes))]
    pictures = mask[:, None] * COLOURS[colours][:, :, None, None]
    return (pictures + 0.2 * torch.randn(pictures.shape)).flatten(1)


def test_clip_names_combinations_of_colour_and_shape_that_it_never_saw() -> None:
    held_out = torch.arange(4)  # colour i with shape i
    seen = torch.tensor([(c, s) for c, s in itertools.product(range(4), repeat=2) if c != s])

    def words(colours: Tensor, shapes: Tensor) -> Tensor:
        return torch.cat([F.one_hot(colours, 4), F.one_hot(shapes, 4)], dim=1).float()

    def draw(count: int) -> tuple[Tensor, Tensor, Tensor]:
        colours, shapes = seen[torch.randint(len(seen), (count,))].T
        return draw_shapes(colours, shapes), words(colours, shapes), torch.arange(count)

    towers = (
        nn.Sequential(nn.Linear(3 * SIDE * SIDE, 128), nn.ReLU(), nn.Linear(128, 32)),
        nn.Linear(8, 32),
    )
    train(towers, draw, InfoNCE(), steps=300)

    every = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    true = held_out.repeat(50)
    with torch.no_grad():
        scores = unit(towers[0](draw_shapes(true, true))) @ unit(towers[1](words(*every.T))).T
    right = (every[scores.argmax(1)] == true[:, None]).all(1).float().mean()
    assert right >= 3 / len(every)


def test_pretraining_on_sentences_needs_a_tenth_of_the_labels() -> None:
    classes, dim = 6, 40
    signs = torch.randn(classes, dim)
    nuisance = torch.randn(10, dim) * 3

    def see(labels: Tensor) -> Tensor:
        """Return images of a faint sign under strong nuisance."""
        return 0.8 * signs[labels] + torch.randn(len(labels), 10) @ nuisance

    reports = torch.randn(classes, 16)

    def draw(count: int) -> tuple[Tensor, Tensor, Tensor]:
        labels = torch.randint(classes, (count,))
        return see(labels), reports[labels] + 0.5 * torch.randn(count, 16), torch.arange(count)

    def tower() -> nn.Sequential:
        return nn.Sequential(nn.Linear(dim, 64), nn.ReLU(), nn.Linear(64, 16))

    random, trained = tower(), tower()
    train((trained, nn.Linear(16, 16)), draw, convirt(), steps=300)
    labels, tests = torch.arange(600) % classes, torch.arange(1200) % classes
    images, others = see(labels), see(tests)

    def probe(network: nn.Module, count: int) -> float:
        with torch.no_grad():
            features, unseen = network(images[:count]).numpy(), network(others).numpy()
        fitted = LogisticRegression(max_iter=500).fit(features, labels[:count].numpy())
        return float(fitted.score(unseen, tests.numpy()))

    assert probe(trained, 60) >= probe(random, 600)


class Words(nn.Module):
    """Names that the model knows, and words of attributes that mean nothing to it yet."""

    def __init__(self, names: Tensor, attributes: int) -> None:
        super().__init__()
        self.names = nn.Parameter(names, requires_grad=False)  # (C, D)
        self.words = nn.Parameter(0.01 * torch.randn(attributes, names.shape[1]))

    def forward(self, sentences: Tensor) -> Tensor:
        count = len(self.names)
        return sentences[:, :count] @ self.names + sentences[:, count:] @ self.words


def test_descriptions_in_training_help_with_classes_never_seen_and_later_ones_hardly() -> None:
    names, attributes, dim = 20, 12, 32
    has = torch.rand(names, attributes) < 0.4
    appearance = has.float() @ torch.randn(attributes, dim)
    appearance -= appearance.mean(0)
    half_known = unit(appearance) + 2.0 * unit(torch.randn(names, dim))

    def see(labels: Tensor) -> Tensor:
        return appearance[labels] + 2.0 * torch.randn(len(labels), dim)

    def describe(labels: Tensor, said: Tensor) -> Tensor:
        return torch.cat([F.one_hot(labels, names).float(), said * has[labels]], dim=1)

    def draw(count: int) -> tuple[Tensor, Tensor, Tensor]:
        labels = torch.randint(10, (count,))  # the first ten classes are seen
        said = (torch.rand(count, attributes) < 0.5).float()  # a sentence tells some attributes
        return see(labels), describe(labels, said), labels

    image, text = nn.Identity(), Words(half_known, attributes)  # the image tower rests
    unseen = torch.arange(10, 20)
    labels = unseen.repeat(100)
    images = see(labels)

    def accuracy(said: float) -> float:
        with torch.no_grad():
            prompts = describe(unseen, torch.full((10, attributes), said))
            scores = unit(image(images)) @ unit(text(prompts)).T
        return float((unseen[scores.argmax(1)] == labels).float().mean())

    untuned, only_later = accuracy(0.0), accuracy(1.0)
    train((image, text), draw, class_level(), steps=150)
    assert only_later - untuned < 0.02
    assert accuracy(1.0) >= untuned + 0.05


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Return the expected calibration error over 10 bins (Guo et al. 2017, arXiv:1706.04599)."""
    confidence, guess = probabilities.max(1)
    bins = (confidence * 10).long().clamp(max=9)
    total = 0.0
    for number in bins.unique():
        inside = bins == number
        gap = confidence[inside].mean() - (guess[inside] == labels[inside]).float().mean()
        total += float(gap.abs()) * float(inside.float().mean())
    return total


def test_contextual_targets_name_as_well_as_infonce_and_are_better_calibrated() -> None:
    concepts, dim, seeds = 8, 24, 3

    def run(loss: Loss, seed: int) -> tuple[float, float]:
        torch.manual_seed(seed)
        signs, words = torch.randn(concepts, dim), torch.randn(concepts, 16)
        fixed = torch.arange(160) % concepts  # few images of 8 concepts, each told in other words
        tests = torch.arange(1600) % concepts
        pictures, unseen = (signs[labels] + 2.5 * torch.randn(len(labels), dim)
                            for labels in (fixed, tests))  # fmt: skip
        captions = words[fixed] + 0.3 * torch.randn(len(fixed), 16)

        def draw(count: int) -> tuple[Tensor, Tensor, Tensor]:
            rows = torch.randint(len(fixed), (count,))
            return pictures[rows], captions[rows], rows

        tower = nn.Sequential(nn.Linear(dim, 64), nn.ReLU(), nn.Linear(64, 16))
        train((tower, nn.Identity()), draw, loss, steps=200)  # the text tower rests
        with torch.no_grad():
            probabilities = (10.0 * unit(tower(unseen)) @ unit(words).T).softmax(1)
        right = float((probabilities.argmax(1) == tests).float().mean())
        return right, calibration_error(probabilities, tests)

    soft, hard = (torch.tensor([run(loss, seed) for seed in range(seeds)]).mean(0)
                  for loss in (ContextualTargets(softness=0.5), InfoNCE()))  # fmt: skip
    assert soft[0] >= hard[0]
    assert soft[1] < hard[1]
