"""Where a training gets its pictures from: kept outputs of frozen stages, or the files themselves.

What no phase trains is computed once a picture and view, and kept in files that are mapped into
memory: only what a step needs is read. Where that would take more room than is allowed, pictures
are read and the frozen stages run in every step, ahead of it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fieldguide.data.files import atomic_path, unwritten
from fieldguide.data.pipeline import read_ahead, stacked
from fieldguide.errors import LoadError, TuningError
from fieldguide.models.probing import probe_inputs
from fieldguide.models.towers import upload
from fieldguide.tuning.splitting import image_parts
from fieldguide.tuning.training.states import State, run, to_device
from fieldguide.tuning.training.symmetry import views_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import ItemReader
    from fieldguide.models.tunable import Tunable
    from fieldguide.tuning.processes import Processes

ROWS_A_CHUNK = 32
PICTURES_AT_ONCE = 16
"""Of the frozen stages; the same in every run, so that a resumed one rounds alike."""

Wanted = tuple[Tensor, Tensor]
"""Rows (B,) and the symmetry in which each is seen (B,)."""


class Pictures(Protocol):
    """Gives the outputs of the first stages for rows of a training."""

    def stream(self, cut: int, wanted: Iterable[Wanted]) -> Iterator[State]:
        """Yield the state behind so many stages, for one batch after the other.

        Raises:
            TuningError: a picture cannot be read any more.
        """
        ...


@dataclass(frozen=True)
class PictureFiles:
    """The pictures of a training and how they are read.

    Attributes:
        encoder: the base, with the contract of the training.
        items: N pictures.
        views: of each, the symmetries in which it is seen; () for rows that are not used.
        reader: turns an item into pixels.
        workers: threads that read.
    """

    encoder: Tunable
    items: Sequence[Item]
    views: Sequence[tuple[int, ...]]
    reader: ItemReader
    workers: int

    @property
    def at_once(self) -> int:
        """How many the frozen stages take at once; of volumes, each a batch of slices, one."""
        return 1 if self.encoder.contract.spatial_dims == 3 else PICTURES_AT_ONCE

    def pixels(self, rows: Iterable[int], ahead: int) -> Iterator[NDArray[Any]]:
        """Yield prepared pixels of rows, read ahead by threads.

        Raises:
            TuningError: one cannot be read.
        """
        items = (self.items[row] for row in rows)
        for row, pixels in read_ahead(items, self.reader, self.workers, ahead):
            if pixels is None:
                raise TuningError(
                    f"{row.item.name} cannot be read: {row.reason} Put it back and go on with "
                    "--resume, or take it out of the manifest; without --no-compare such pictures "
                    "are found before and left out."
                )
            yield pixels


class StreamedPictures:
    """Reads pictures and runs the frozen stages in every step.

    Args:
        files: the pictures.
        cuts: numbers of stages that are asked for.
    """

    def __init__(self, files: PictureFiles, cuts: Sequence[int]) -> None:
        self._files = files
        self._parts = {cut: image_parts(files.encoder, (cut,))[0] for cut in cuts}

    def stream(self, cut: int, wanted: Iterable[Wanted]) -> Iterator[State]:
        """See :class:`Pictures`."""
        ours, theirs = itertools.tee(wanted)
        rows = (row for rows, _ in theirs for row in rows.tolist())
        found = self._files.pixels(rows, ahead=4 * self._files.at_once)
        for own_rows, views in ours:
            pixels = stacked([next(found) for _ in range(len(own_rows))])
            yield self._run(cut, views_of(pixels, views))

    def _run(self, cut: int, pixels: Tensor) -> State:
        state = (upload(pixels.contiguous(), self._files.encoder.device),)
        if cut == 0:
            return state
        with torch.no_grad():
            return run(self._parts[cut], state)


class KeptPictures:
    """Keeps the outputs of the frozen stages at some cuts, in files.

    At cut 0 that are the pixels, once a picture; their symmetries are made when they are asked for.

    Args:
        files: the pictures.
        cuts: numbers of stages, ascending, each at most once.
        folder: of the files; outputs that are there already, of whatever training, are used.
        about: what else the outputs depend on, such as options of the domain.
    """

    def __init__(
        self, files: PictureFiles, cuts: Sequence[int], folder: Path, about: str = ""
    ) -> None:
        self._files = files
        self._cuts = tuple(cuts)
        self._parts = image_parts(files.encoder, self._cuts)
        self._folder = folder / f"frozen-{self._digest(about)[:16]}"
        counts = [len(views) for views in files.views]
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._view_place = _places_of_views(files.views)
        self._arrays: dict[int, list[np.memmap[Any, np.dtype[np.generic]]]] = {}

    def bytes_needed(self) -> int:
        """Return how much room the files take when they are full."""
        return sum(
            int(np.prod(shape)) * dtype.itemsize
            for tensors in self._shapes().values()
            for shape, dtype in tensors
        )

    def fill(self, processes: Processes, progress: Callable[[int], object]) -> None:
        """Compute what is not there yet; each of several processes takes its share.

        Args:
            processes: that train together.
            progress: called with the number of pictures that were done since the last call.

        Raises:
            TuningError: a picture cannot be read.
            StoreError: there is no room.
        """
        self._open()
        used = [row for row, views in enumerate(self._files.views) if views]
        size = ROWS_A_CHUNK if self._files.at_once > 1 else 1
        chunks = [used[at : at + size] for at in range(0, len(used), size)]
        marks = self._folder / "done"
        try:
            marks.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritten(marks, error) from error
        todo = []
        for number, chunk in enumerate(chunks):
            if all((marks / f"{cut}-{number}").exists() for cut in self._cuts):
                progress(len(chunk))
            elif number % processes.count == processes.rank:
                todo.append((number, chunk))
        rows = (row for _, chunk in todo for row in chunk)
        found = self._files.pixels(rows, ahead=2 * size)
        for number, chunk in todo:
            self._fill(chunk, stacked([next(found) for _ in chunk]))
            self._flush()
            for cut in self._cuts:
                with atomic_path(marks / f"{cut}-{number}") as temporary:
                    temporary.touch()
            progress(len(chunk))
        processes.barrier()

    def _flush(self) -> None:
        """Bring what was computed to the disk: a mark must not outlive it."""
        for arrays in self._arrays.values():
            for array in arrays:
                array.flush()

    def stream(self, cut: int, wanted: Iterable[Wanted]) -> Iterator[State]:
        """See :class:`Pictures`."""
        for rows, views in wanted:
            yield to_device(self._state(cut, rows, views), self._files.encoder.device)

    def _state(self, cut: int, rows: Tensor, views: Tensor) -> State:
        if cut == 0:
            pixels = torch.from_numpy(np.asarray(self._arrays[0][0][rows.numpy()]))
            return (views_of(pixels, views),)
        entries = self._entries(rows.numpy(), views.numpy())
        return tuple(torch.from_numpy(np.asarray(array[entries])) for array in self._arrays[cut])

    def _entries(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self._first[rows] + self._view_place[rows, views])

    def _fill(self, rows: Sequence[int], pixels: Tensor) -> None:
        if 0 in self._cuts:
            self._arrays[0][0][np.array(rows)] = pixels.numpy()
        if self._cuts == (0,):
            return
        own = [(place, view) for place, row in enumerate(rows) for view in self._files.views[row]]
        for at in range(0, len(own), self._files.at_once):
            part = own[at : at + self._files.at_once]
            places, views = (torch.tensor(column) for column in zip(*part, strict=True))
            entries = self._entries(np.array(rows)[places.numpy()], views.numpy())
            self._keep(entries, views_of(pixels[places], views).contiguous())

    @torch.inference_mode()
    def _keep(self, entries: NDArray[np.int64], pixels: Tensor) -> None:
        state: State = (upload(pixels, self._files.encoder.device),)
        for cut, part in zip(self._cuts, self._parts, strict=True):
            if cut == 0:
                continue
            state = run(part, state)
            for array, tensor in zip(self._arrays[cut], state, strict=True):
                array[entries] = tensor.cpu().contiguous().numpy()

    def _open(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for cut, tensors in self._shapes().items():
                self._arrays[cut] = [
                    _mapped(self._folder / f"cut-{cut}-{number}.bin", shape, dtype)
                    for number, (shape, dtype) in enumerate(tensors)
                ]
        except OSError as error:
            raise unwritten(self._folder, error) from error

    def _shapes(self) -> Mapping[int, list[tuple[tuple[int, ...], np.dtype[np.generic]]]]:
        """Return the shape and type of each tensor at each cut."""
        contract = self._files.encoder.contract
        probe = probe_inputs(contract, 1)
        state: State = (upload(probe, self._files.encoder.device),)
        found = {}
        with torch.inference_mode():
            for cut, part in zip(self._cuts, self._parts, strict=True):
                state = state if cut == 0 else run(part, state)
                count = len(self._files.items) if cut == 0 else int(self._first[-1])
                found[cut] = [
                    ((count, *tensor.shape[1:]), tensor.cpu().numpy().dtype) for tensor in state
                ]
        return found

    def _digest(self, about: str) -> str:
        space = self._files.encoder.space
        total = hashlib.sha256(f"{space.digest};{about}".encode())
        for item, views in zip(self._files.items, self._files.views, strict=True):
            known = f"{item.id};{_fingerprint(item)};{views}\n"
            total.update(known.encode("utf-8", "replace"))
        return total.hexdigest()


def _fingerprint(item: Item) -> str:
    try:
        return item.fingerprint()
    except LoadError as error:  # it will be told where the picture is read
        return str(error)


def _places_of_views(views: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the place of each view among those of its row, (N, 8); -1 where it is none of them."""
    places = np.full((len(views), 8), -1, dtype=np.int64)
    for row, own in enumerate(views):
        places[row, list(own)] = np.arange(len(own))
    return places


def _reserve(handle: int, size: int) -> None:
    """Take the room of a file now: a mapped file that finds the disk full kills the process.

    Raises:
        OSError: there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)


def _mapped(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> np.memmap[Any, np.dtype[np.generic]]:
    """Return a file as an array; it is made where it is not there."""
    size = max(1, int(np.prod(shape)) * dtype.itemsize)
    with path.open("ab") as stream:
        if stream.tell() != size:
            stream.truncate(size)
            _reserve(stream.fileno(), size)
    return np.memmap(path, dtype=dtype, mode="r+", shape=shape)
