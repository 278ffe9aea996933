"""Loads, checks and prepares items on threads, in order and in bounded memory."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fieldguide.data.files import is_folder, require_file
from fieldguide.data.in_memory import sample_in_memory
from fieldguide.data.inputs import Item, loader_of
from fieldguide.data.shared_sources import SharedSources
from fieldguide.data.windows import load_part
from fieldguide.errors import EmptyError, FieldguideError, InputError, LoadError
from fieldguide.samples import RGB, SRGB8, Loader, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from fieldguide.contract import Contract
    from fieldguide.models.embeddings import Embeddings, Encoder
    from fieldguide.privacy.names import PrivateNames
    from fieldguide.specs import LoaderSpec

THUMBNAIL_PX = 192
JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one item.

    Attributes:
        status: "ok", "skipped" (unreadable), "refused" (readable, but not what the model was made
            for), "out_of_scope" (done on the user's word) or "empty" (nothing to look at; no
            failure).
        reason: why it is not ok, or which repairs were made and what could not be known.
        metadata: from the file and from the manifest; the manifest's wins.
        thumbnail: a small JPEG, where it was asked for.
    """

    item: Item
    status: str = "ok"
    reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows in the order of the items, and the vectors of those that could be used.

    Attributes:
        rows: every row.
        places: which rows have a vector.
        embeddings: one vector for each place, or None when there is none.
    """

    rows: list[Row]
    places: list[int]
    embeddings: Embeddings | None

    @property
    def encoded(self) -> list[Row]:
        """The rows that have a vector."""
        return [self.rows[place] for place in self.places]

    @property
    def failed(self) -> list[Row]:
        """The rows that have none."""
        used = set(self.places)
        return [row for place, row in enumerate(self.rows) if place not in used]


class ItemReader(Protocol):
    """Anything that turns an item into its row and prepared pixels."""

    def read(self, item: Item) -> tuple[Row, NDArray[Any] | None]:
        """Return the row and prepared pixels, or None in their place when it failed."""
        ...


Preview = Callable[[Sample], NDArray[np.uint8]]
Normaliser = Callable[[Sample], Callable[[Sample], Sample]]
"""Given a whole, returns what brings it, or any part of it, to a common appearance."""


@dataclass(frozen=True)
class Reader:
    """Turns an item into prepared pixels, or into the reason why not.

    Attributes:
        loaders: the readers of the modality, made; by name.
        specs: their specs.
        contract: what the encoder takes; None when no model covers the modality.
        repairs: names of the allowed repairs.
        check: refuses content of another kind.
        normaliser: brings pictures to a common appearance, a repair by name; None to leave them.
        preview: how a thumbnail is drawn; None for RGB images.
        refusal: why every item is refused, when no model covers the modality.
        mark: status of rows that are encoded: "ok" or "out_of_scope".
        thumbnails: whether rows carry one.
        private: keeps names and facts that are not to be shown out of rows; None where all may be.
        elsewhere: the options with which a file is read, for where it is not: --domain medical.
        sources: files of which parts are read.
    """

    loaders: dict[str, Loader]
    specs: Sequence[LoaderSpec]
    contract: Contract | None
    repairs: Sequence[str] = ()
    check: Callable[[Sample], None] | None = None
    preview: Preview | None = None
    refusal: str | None = None
    mark: str = "ok"
    thumbnails: bool = False
    private: PrivateNames | None = None
    normaliser: Normaliser | None = None
    elsewhere: Callable[[Item], Sequence[str]] | None = None
    sources: SharedSources = field(default_factory=SharedSources)

    def for_windows(self, whole: Sample) -> Reader:
        """Return what reads the windows of a source, judged by what it shows as a whole.

        The check asks for the kind of the source, which a window of its background does not tell;
        and a common appearance is found once, or each window would be given its own.

        Raises:
            ContractError: the source is of another kind.
        """
        if self.check is not None:
            self.check(whole)
        if self.normaliser is None:
            return replace(self, check=None)
        normalise = self.normaliser(whole)
        return replace(self, check=None, normaliser=lambda _window: normalise)

    def read(self, item: Item) -> tuple[Row, NDArray[Any] | None]:
        """Return the row and prepared pixels, or None in their place when it failed."""
        return self.read_by(item, self.load)

    def read_by(
        self, item: Item, load: Callable[[Item], Sample]
    ) -> tuple[Row, NDArray[Any] | None]:
        """Return what :meth:`read` does, of a sample that is loaded in another way."""
        sample: Sample | None = None
        try:
            sample = load(item)
            return self._accept(item, sample)
        except InputError as error:
            return self._failed(item, sample, error.status, str(error)), None
        except FieldguideError as error:
            return self._failed(item, sample, "skipped", str(error)), None
        except Exception as error:  # noqa: BLE001 - one bad file must never stop a job
            reason = f"unexpected {type(error).__name__}: {error}"
            return self._failed(item, sample, "skipped", reason), None

    def load(self, item: Item) -> Sample:
        """Return the sample of an item.

        Raises:
            LoadError: it cannot be read, or no loader of this modality reads such files.
            EmptyError: there is nothing in it to look at.
        """
        if item.fault is not None:
            raise LoadError(item.fault)
        if item.nothing is not None:
            raise EmptyError(item.nothing)
        if item.path is None:
            in_part = item.window is not None
            return load_part(item, self) if in_part else sample_in_memory(item.image)
        if not is_folder(item.path):
            require_file(item.path)  # a pipe would be waited for, by whatever loader
        spec = loader_of(item, self.specs)
        if item.window is not None and spec is not None:
            return load_part(item, self)
        if spec is None:
            raise self.no_reader(item)
        return self.loaders[spec.name](item.path)

    def no_reader(self, item: Item) -> LoadError:
        """Return what says that files of this kind are not read here, and by whom they are."""
        options = () if self.elsewhere is None else self.elsewhere(item)
        if options:
            line = " or ".join(options)
            return LoadError(f"no reader for such files is meant. Run the same with {line}")
        endings = " ".join(sorted({s for spec in self.specs for s in spec.endings}))
        return LoadError(f"no reader for such files; read are {endings}. Name a --domain.")

    def _accept(self, item: Item, sample: Sample) -> tuple[Row, NDArray[Any] | None]:
        if self.refusal is not None or self.contract is None:
            return self._failed(item, sample, "refused", self.refusal or "no model"), None
        if self.check is not None:
            self.check(sample)
        if self.normaliser is not None:
            sample = self.normaliser(sample)(sample)
        ready, pixels = self.contract.prepare(sample, self.repairs)
        facts, picture = self._metadata(item, ready), self._thumbnail(ready)
        return Row(item, self.mark, _remarks(ready), facts, picture), pixels

    def _failed(self, item: Item, sample: Sample | None, status: str, reason: str) -> Row:
        if self.private is not None:
            reason = self.private.scrub(reason)
        if sample is None:
            return Row(item, status, reason, dict(item.metadata))
        facts = self._metadata(item, sample)
        return Row(item, status, reason, facts, self._thumbnail(sample))

    def _metadata(self, item: Item, sample: Sample) -> dict[str, Any]:
        return {**self.open_facts(sample.metadata), **item.metadata}

    def open_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return those facts of a source that may stand in a row."""
        return dict(facts) if self.private is None else self.private.open_facts(facts)

    def _thumbnail(self, sample: Sample) -> bytes | None:
        return self.preview_of(sample) if self.thumbnails else None

    def preview_of(self, sample: Sample) -> bytes | None:
        """Return a small JPEG, or None when the sample has no display values of RGB or gray.

        There is none either of a sample whose pictures are withheld.
        """
        if sample.withheld:
            return None
        if self.preview is not None:
            return thumbnail(self.preview(sample))
        shown = ("gray",) if sample.bands == ("gray",) else RGB
        if sample.units != SRGB8 or not set(shown) <= set(sample.bands):
            return None
        return thumbnail(sample.array[..., [sample.bands.index(band) for band in shown]])


def thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """Return a JPEG whose longer side is at most ``THUMBNAIL_PX``."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def encode_items(
    items: Iterable[Item],
    reader: ItemReader,
    encoder: Encoder | None,
    *,
    batch_size: int,
    workers: int,
) -> Iterator[Batch]:
    """Yield batches in the order of the items.

    At most two batches wait between the threads and the encoder, so memory does not grow with
    the number of items.
    """
    rows: list[Row] = []
    pixels: dict[int, NDArray[Any]] = {}
    for row, prepared in read_ahead(items, reader, workers, ahead=2 * batch_size):
        if prepared is not None:
            pixels[len(rows)] = prepared
        rows.append(row)
        if len(rows) >= batch_size:
            yield _encode(rows, pixels, encoder)
            rows, pixels = [], {}
    if rows:
        yield _encode(rows, pixels, encoder)


def _encode(rows: list[Row], pixels: dict[int, NDArray[Any]], encoder: Encoder | None) -> Batch:
    if not pixels or encoder is None:
        return Batch(rows, [], None)
    return Batch(rows, list(pixels), encoder.encode_images(stacked(list(pixels.values()))))


def stacked(pixels: Sequence[NDArray[Any]]) -> Tensor:
    """Return prepared pixels as encoders take them, the channels behind the number.

    Args:
        pixels: N of (H, W, C), or of (X, Y, Z, C) for volumes; of one shape and type.

    Returns:
        (N, C, H, W) or (N, C, X, Y, Z).
    """
    return torch.from_numpy(np.stack(pixels)).movedim(-1, 1)


def read_ahead(
    items: Iterable[Item], reader: ItemReader, workers: int, ahead: int
) -> Iterator[tuple[Row, NDArray[Any] | None]]:
    """Yield what a reader makes of each item, in order, read by threads.

    Args:
        items: may be endless; no more are taken than are ahead.
        reader: turns an item into its row and prepared pixels.
        workers: threads.
        ahead: at most how many wait to be taken.
    """
    waiting: deque[Future[tuple[Row, NDArray[Any] | None]]] = deque()
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(reader.read, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # an interrupt must not wait for what was only planned
            pool.shutdown(wait=False, cancel_futures=True)


def _remarks(sample: Sample) -> str:
    """Return which repairs were made, and what could not be known."""
    repairs = f"repaired: {', '.join(sample.repairs)}" if sample.repairs else ""
    return "; ".join(part for part in (repairs, *sample.notes) if part)
