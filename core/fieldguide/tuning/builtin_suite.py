"""The general suite that is there when a user names none: tiny, drawn by code, and said to be so.

It answers one question: does the model still know common things at all? How much it forgot of
them, or of photographs, needs a real set: ``--general MANIFEST``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from fieldguide.data.inputs import Item
from fieldguide.tuning.drawings import DRAWINGS, SIZE_PX, draw
from fieldguide.tuning.splits import TEST, VAL
from fieldguide.tuning.suites import Suite, checked, plain_reader
from fieldguide.zeroshot.class_sets import prompts_of_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.contract import Contract
    from fieldguide.plugins import Catalog

NAME = "drawn_things"
DRAWINGS_EACH = 8
VIEWS_EACH = 8
TEMPLATES = ("a photo of {}.", "{}")
PHOTOGRAPHS = ("palace", "flower")
"""What scikit-learn's two sample photographs show (china.jpg, flower.jpg; CC BY 2.0)."""
DISTRACTORS = (
    "castle", "window shade", "street lamp", "jigsaw puzzle", "web page", "parachute", "umbrella",
    "fence", "bee", "tiger", "barcode", "wall clock", "compass", "lamp", "torch", "laptop", "piano",
    "calculator", "chessboard", "net", "tile floor", "ball", "bridge", "sunflower", "boat",
)  # fmt: skip
"""Labels that are offered and never right, so that the suite is not too easy."""
NOTE = (
    f"{DRAWINGS_EACH * len(DRAWINGS) + VIEWS_EACH * len(PHOTOGRAPHS)} pictures: {len(DRAWINGS)} "
    "things drawn by code and windows of two photographs that come with scikit-learn. It is tiny: "
    "it shows whether common things are still known at all, it does not say how well, and its "
    "figures stand beside no published ones. Name a real set: --general MANIFEST."
)


def builtin_suite(contract: Contract, catalog: Catalog) -> Suite:
    """Return the suite, its pictures in memory, the same on every machine.

    Args:
        contract: of the encoder; one that takes no RGB pictures reads none of them.
        catalog: of installed offers.
    """
    items, labels, parts, groups = zip(*_rows(), strict=True)
    offered = [*DRAWINGS, *PHOTOGRAPHS, *DISTRACTORS]
    suite = Suite(
        name=NAME,
        role="general",
        items=items,
        parts=parts,
        groups=groups,
        labels=labels,
        prompts=prompts_of_labels(offered, TEMPLATES),
        captions=((),) * len(items),
        reader=plain_reader(contract, catalog),
        note=NOTE,
    )
    return checked(suite)


def _rows() -> Iterator[tuple[Item, str, str, str]]:
    """Yield item, label, part and group; every second picture of a label is reported."""
    for label in DRAWINGS:
        for seed in range(DRAWINGS_EACH):
            name = f"{label} {seed}"
            yield Item(name, name, image=draw(label, seed)), label, _part(seed), name
    for label, pixels in zip(PHOTOGRAPHS, load_sample_images().images, strict=True):
        for seed in range(VIEWS_EACH):
            name = f"{label} {seed}"
            item = Item(name, name, image=_window(Image.fromarray(pixels), seed))
            yield item, label, _part(seed), label  # windows of one photograph are one group


def _window(photograph: Image.Image, seed: int) -> Image.Image:
    """Return a square of 55 to 95 % of the photograph's height, somewhere in it."""
    generator = np.random.default_rng(seed)
    side = int(generator.uniform(0.55, 0.95) * photograph.height)
    left = int(generator.uniform(0, photograph.width - side))
    top = int(generator.uniform(0, photograph.height - side))
    box = (left, top, left + side, top + side)
    return photograph.crop(box).resize((SIZE_PX, SIZE_PX), Image.Resampling.LANCZOS)


def _part(seed: int) -> str:
    return TEST if seed % 2 else VAL
