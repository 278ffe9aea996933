"""The texts that images are trained with: one of its own captions each, or a prompt of every class.

Which image and text belong together is said by keys, not by places in a batch: a text that is
drawn for one image is no negative of another image that has the same text, class or findings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MISSING = -1
"""Fills rows of keys that are shorter than the longest."""

MAX_CLASSES_A_STEP = 1024


class Stream(Protocol):
    """Texts beside the images of a training, and how a step draws some of them.

    Attributes:
        name: "captions" or "classes".
        texts: M distinct texts.
        text_keys: (M,) int64, what each text belongs to.
        image_keys: (N, K) int64, -1 where an image has fewer than K keys. An image and a text
            with the same key belong together.
        weight: of this stream's loss beside the others'.
    """

    @property
    def name(self) -> str:
        """What the texts are."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """M texts."""
        ...

    @property
    def text_keys(self) -> Tensor:
        """(M,) int64."""
        ...

    @property
    def image_keys(self) -> Tensor:
        """(N, K) int64."""
        ...

    @property
    def weight(self) -> float:
        """Of this stream's loss."""
        ...

    @property
    def text_attributes(self) -> Tensor | None:
        """(M, L) float for losses with soft targets, or None."""
        ...

    def draw(
        self, rows: Tensor, generator: torch.Generator, passes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw the texts of a batch.

        Args:
            rows: (B,) int64, images of the batch.
            generator: of the processor; the only source of chance.
            passes: (B,) int64, how often each image was drawn before; None for never.

        Returns:
            Numbers of T texts (T,), and their keys (T, K').
        """
        ...

    def take(self, rows: Tensor) -> Stream:
        """Return the same texts beside some of the images only, in that order."""
        ...


@dataclass(frozen=True, eq=False)
class PairedTexts:
    """Draws one of each image's own texts, every one with the same chance.

    With whole captions this is the usual pairing; with the sentences of a report it is the
    sampling of Zhang et al. 2020, "Contrastive Learning of Medical Visual Representations from
    Paired Images and Text" (arXiv:2010.00747). Text i of a draw belongs to row i where
    every row has a text; rows without one draw none.

    Attributes:
        choices: (N, C) int64, the texts of each image, -1 where it has fewer than C.
        same: (N,) int64, images with the same number of at least 0 belong together, and so do their
            texts: same class, taxon or findings. None where only equal texts do.
        text_attributes: (M, L) float, what all images of a text agree on, else 0; for losses with
            soft targets. None without attributes.
    """

    name: str
    texts: tuple[str, ...]
    choices: Tensor
    same: Tensor | None = None
    text_attributes: Tensor | None = None
    weight: float = 1.0

    @property
    def text_keys(self) -> Tensor:
        """Each text's own number, (M,)."""
        return torch.arange(len(self.texts))

    @property
    def image_keys(self) -> Tensor:
        """(N, C) numbers of the image's texts; (N, C + 1) with what it is the same as."""
        if self.same is None:
            return self.choices
        return torch.cat([self.choices, self._same_keys(torch.arange(len(self.same)))], dim=1)

    def rows_with_text(self, rows: Tensor) -> Tensor:
        """Return those rows that have a text, (T,): what a draw's texts were drawn for."""
        return rows[(self.choices[rows] != MISSING).any(dim=1)]

    def draw(
        self, rows: Tensor, generator: torch.Generator, passes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw one text for each row that has any; see :class:`Stream`."""
        owners = self.rows_with_text(rows)
        choices = self.choices[owners]  # (T, C)
        counts = (choices != MISSING).sum(dim=1)
        chance = torch.rand(len(owners), generator=generator, dtype=torch.float64)
        places = (chance * counts).long()  # below counts: chance is below 1 and counts are small
        numbers = choices.gather(1, places[:, None])  # (T, 1); texts of a row come first
        if self.same is None:
            return numbers[:, 0], numbers
        return numbers[:, 0], torch.cat([numbers, self._same_keys(owners)], dim=1)

    def take(self, rows: Tensor) -> PairedTexts:
        """Return the same texts beside some of the images only, in that order."""
        same = None if self.same is None else self.same[rows]
        return replace(self, choices=self.choices[rows], same=same)

    def _same_keys(self, rows: Tensor) -> Tensor:
        """Return (T, 1) keys that no text's own number can be."""
        assert self.same is not None
        same = self.same[rows, None]
        return torch.where(same == MISSING, MISSING, same + len(self.texts))


@dataclass(frozen=True, eq=False)
class ClassTexts:
    """Draws one prompt of every class, as the linear classifier of zero-shot transfer has them.

    The classes of a step are those that some image of the training has: a prompt without any image
    would only ever be pushed away. Where they are more than ``most``, those of the batch come
    first and chance chooses the others.

    Attributes:
        labels: the classes.
        choices: (C, P) int64, the prompts of each class, -1 where it has fewer than P.
        image_keys: (N, 1) int64, the class of each image, -1 where it is not known.
        trained: (C',) int64, the classes that are drawn.
        most: classes a step.
    """

    name: str
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    text_keys: Tensor
    image_keys: Tensor
    choices: Tensor
    trained: Tensor
    text_attributes: Tensor | None = None
    weight: float = 1.0
    most: int = MAX_CLASSES_A_STEP

    def draw(
        self, rows: Tensor, generator: torch.Generator, passes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw one prompt of each class; see :class:`Stream`."""
        classes = self._classes(rows, generator)
        choices = self.choices[classes]
        counts = (choices != MISSING).sum(dim=1)
        chance = torch.rand(len(classes), generator=generator, dtype=torch.float64)
        numbers = choices.gather(1, (chance * counts).long()[:, None])[:, 0]
        return numbers, classes[:, None]

    def take(self, rows: Tensor) -> ClassTexts:
        """Return the same classes beside some of the images only, in that order."""
        return replace(self, image_keys=self.image_keys[rows])

    def trained_on(self, rows: Tensor) -> ClassTexts:
        """Return the stream that draws the classes of some images, given as (N,) bool."""
        used = torch.unique(self.image_keys[rows, 0])
        return replace(self, trained=used[used != MISSING])

    def _classes(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        if len(self.trained) <= self.most:
            return self.trained
        present = torch.unique(self.image_keys[rows, 0])
        present = present[torch.isin(present, self.trained)]
        others = self.trained[~torch.isin(self.trained, present)]
        spare = max(0, self.most - len(present))
        chosen = others[torch.randperm(len(others), generator=generator)[:spare]]
        return torch.cat([present, chosen]).sort().values


def paired_texts(
    owned: Sequence[Sequence[str]],
    *,
    same: Tensor | None = None,
    attributes: Tensor | None = None,
    name: str = "captions",
) -> PairedTexts:
    """Return the stream of images with texts of their own.

    Args:
        owned: the texts of each of N images; the same text twice for an image counts once.
        same: (N,) int64; see :class:`PairedTexts`.
        attributes: (N, L) of the images.
        name: of the stream.
    """
    places: dict[str, int] = {}
    rows = [
        [places.setdefault(text, len(places)) for text in dict.fromkeys(texts)] for texts in owned
    ]
    choices = padded(rows)
    about = None if attributes is None else _agreed(choices, attributes, len(places))
    return PairedTexts(name, tuple(places), choices, same, about)


def class_texts(
    prompts: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    trained: Sequence[bool],
    *,
    attributes: Tensor | None = None,
    name: str = "classes",
) -> ClassTexts:
    """Return the stream of labelled images with the prompts of all classes.

    Args:
        prompts: of each label; no prompt stands under two labels.
        labels: (N,) of the images, "" where it is not known.
        trained: (N,) whether an image is one to train with.
        attributes: (N, L) of the images.
        name: of the stream.

    Raises:
        KeyError: an image's label has no prompts.
    """
    numbers = {label: number for number, label in enumerate(prompts)}
    texts = [text for own in prompts.values() for text in dict.fromkeys(own)]
    keys = [numbers[label] for label, own in prompts.items() for _ in dict.fromkeys(own)]
    found = torch.tensor([numbers[label] if label else MISSING for label in labels])
    text_keys = torch.tensor(keys, dtype=torch.int64)
    rows: list[list[int]] = [[] for _ in prompts]
    for text, key in enumerate(keys):
        rows[key].append(text)
    used = torch.unique(found[torch.tensor(trained, dtype=torch.bool)])
    agreed = None if attributes is None else _agreed(found[:, None], attributes, len(prompts))
    return ClassTexts(
        name=name,
        labels=tuple(prompts),
        texts=tuple(texts),
        text_keys=text_keys,
        image_keys=found[:, None].long(),
        choices=padded(rows),
        trained=used[used != MISSING].long(),
        text_attributes=None if agreed is None else agreed[text_keys],
    )


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Return lists of numbers as (N, longest) int64, -1 where one is shorter.

    >>> padded([[4], [], [1, 2]]).tolist()
    [[4, -1], [-1, -1], [1, 2]]
    """
    width = max((len(row) for row in rows), default=0)
    filled = torch.full((len(rows), max(1, width)), MISSING, dtype=torch.int64)
    for place, row in enumerate(rows):
        filled[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return filled


def _agreed(keys: Tensor, attributes: Tensor, count: int) -> Tensor:
    """Return (count, L): the value that all images of a key share, and 0 where they differ."""
    rows, columns = (keys != MISSING).nonzero(as_tuple=True)
    owners = keys[rows, columns][:, None].expand(-1, attributes.shape[1])
    values = attributes[rows].float()
    empty = torch.zeros(count, attributes.shape[1])
    low = empty.scatter_reduce(0, owners, values, "amin", include_self=False)
    high = empty.scatter_reduce(0, owners, values, "amax", include_self=False)
    return torch.where(low == high, low, torch.zeros_like(low))
