"""Vectors of very many labels: embedded once, kept on disk, mapped into memory.

Half a million labels take a laptop hours. So each chunk is kept as soon as it is there: a job that
was killed goes on where it was, and a label whose prompts stand in another set of labels, such as
the whole taxonomy of which this one is a clade, is not embedded again. A set is known by the
encoder's space, the versions of what computes, and the prompts of all labels in their order; the
prompts themselves are not written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide.data.cache import cache_subfolder
from fieldguide.data.files import atomic_path, only_writer
from fieldguide.errors import ContractError
from fieldguide.models.embeddings import Embeddings, require_same_space, unit_length
from fieldguide.models.text_cache import CachedTextEncoder, namespace
from fieldguide.models.vector_file import ROWS_PER_CHUNK, VectorFile
from fieldguide.progress import progress_bar
from fieldguide.zeroshot.classifier import label_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.models.embeddings import Encoder, Vectors

SUBFOLDER = "labels"
MANY = 4 * ROWS_PER_CHUNK
"""From so many labels on their vectors are kept as one matrix, else text by text."""

_BYTES = 16  # of a label's digest
_DIGEST = np.dtype(f"S{_BYTES}")
_LABELS = ".labels"
_OTHERS = 8  # sets that are looked into, the newest first


@dataclass(frozen=True)
class LabelStore:
    """A folder with the label vectors of one encoder.

    Attributes:
        encoder: what embeds.
        folder: None to keep nothing on disk.
        progress: whether a progress bar is shown.
    """

    encoder: Encoder
    folder: Path | None
    progress: bool = False

    def vectors(self, prompts: Sequence[Sequence[str]]) -> Embeddings:
        """Return (C, D) unit means of each label's prompts; from disk what is there.

        Raises:
            BusyError: another process embeds the same labels.
            StoreError: the disk is full or cannot be written.
            ContractError: the model has no finite vector for a prompt.
            SpaceMismatchError: the encoder changed its space meanwhile.
        """
        shape = (len(prompts), self.encoder.space.dim)
        if self.folder is None:
            held = np.full(shape, np.nan, np.float32)
            self._fill(prompts, range(0, len(prompts), ROWS_PER_CHUNK), held.__getitem__,
                       held.__setitem__)  # fmt: skip
            return Embeddings(held, self.encoder.space)
        labels = _digests(prompts)
        name = hashlib.sha256(labels.tobytes()).hexdigest()[: 2 * _BYTES]
        file = VectorFile(self.folder / f"{name}.npy", shape)
        if file.missing():
            with only_writer(file.path.with_suffix(".lock"), file.path, "FIELDGUIDE_CACHE"):
                self._complete(file, prompts, labels)
        return Embeddings(file.open(), self.encoder.space)

    def _complete(
        self, file: VectorFile, prompts: Sequence[Sequence[str]], labels: NDArray[np.bytes_]
    ) -> None:
        """Copy what other sets have, then embed the rest."""
        with atomic_path(file.path.with_suffix(_LABELS)) as temporary:
            temporary.write_bytes(labels.tobytes())
        others = [_OtherSet(path, file) for path in _others(file)]

        def put(rows: slice, vectors: Vectors) -> None:
            file.put(rows.start // ROWS_PER_CHUNK, vectors)

        def get(rows: slice) -> Vectors:
            found = np.full((rows.stop - rows.start, file.shape[1]), np.nan, np.float32)
            for other in others:
                other.fill(labels[rows], found)
            return found

        self._fill(prompts, [file.rows(chunk).start for chunk in file.missing()], get, put)

    def _fill(
        self,
        prompts: Sequence[Sequence[str]],
        starts: Sequence[int],
        get: Callable[[slice], Vectors],
        put: Callable[[slice, Vectors], None],
    ) -> None:
        """Embed the chunks that start at some labels, and hand each on at once.

        Args:
            prompts: of all labels.
            starts: the first label of each chunk.
            get: returns what is known of a chunk; rows that are not are NaN.
            put: takes a chunk.
        """
        count = len(prompts)
        todo = sum(min(ROWS_PER_CHUNK, count - start) for start in starts)
        with progress_bar(
            count, "label", shown=self.progress, what="Embedding labels", done=count - todo
        ) as bar:
            for start in starts:
                rows = slice(start, min(start + ROWS_PER_CHUNK, count))
                vectors = get(rows)
                left = np.flatnonzero(np.isnan(vectors[:, 0]))
                if len(left):
                    vectors[left] = self._embed([prompts[start + int(place)] for place in left])
                put(rows, vectors)
                bar.update(len(vectors))

    def _embed(self, prompts: Sequence[Sequence[str]]) -> Vectors:
        """Return the unit mean (K, D) of each label's prompts."""
        distinct = list(dict.fromkeys(text for texts in prompts for text in texts))
        place = {text: row for row, text in enumerate(distinct)}
        embedded = self.encoder.encode_texts(distinct)
        require_same_space(self.encoder.space, embedded.space, "The set of labels")
        finite = np.isfinite(embedded.vectors).all(axis=1)
        if not finite.all():
            raise ContractError(
                f"The model has no finite vector for {distinct[int(finite.argmin())]!r}. "
                "Change the prompt, or use another --model."
            )
        means = [embedded.vectors[[place[text] for text in texts]].mean(axis=0)
                 for texts in prompts]  # fmt: skip
        return unit_length(np.stack(means))


class _OtherSet:
    """What another set of labels has of this one."""

    def __init__(self, labels: Path, like: VectorFile) -> None:
        content = labels.read_bytes()
        digests = np.frombuffer(content[: len(content) // _BYTES * _BYTES], _DIGEST)
        self.file = VectorFile(labels.with_suffix(".npy"), (len(digests), like.shape[1]))
        chunks = np.arange(len(digests)) // ROWS_PER_CHUNK
        self.rows = np.flatnonzero(~np.isin(chunks, self.file.missing()))
        self.rows = self.rows[np.argsort(digests[self.rows])]
        self.digests = digests[self.rows]

    def fill(self, labels: NDArray[np.bytes_], vectors: Vectors) -> None:
        """Put its vectors of some of K labels into (K, D), where that is NaN."""
        if not len(self.rows):
            return
        places = np.minimum(np.searchsorted(self.digests, labels), len(self.rows) - 1)
        here = (self.digests[places] == labels) & np.isnan(vectors[:, 0])
        vectors[here] = self.file.open()[self.rows[places[here]]]


def label_store(encoder: Encoder, *, progress: bool = False) -> LabelStore:
    """Return where an encoder's label vectors are kept: in the cache folder, where it has one."""
    inner = encoder.encoder if isinstance(encoder, CachedTextEncoder) else encoder
    folder = cache_subfolder(SUBFOLDER)
    if folder is not None:
        folder = cache_subfolder(f"{SUBFOLDER}/{namespace(encoder.space).hex()[: 2 * _BYTES]}")
    return LabelStore(inner, folder, progress)


def vectors_of_labels(
    encoder: Encoder, prompts: Sequence[Sequence[str]], *, progress: bool = False
) -> Embeddings:
    """Return (C, D) unit means of each label's prompts: kept text by text, or as one matrix.

    Args:
        encoder: the model.
        prompts: of C labels; may be made as they are asked for.
        progress: whether a bar is shown while very many labels are embedded.

    Raises:
        SpaceMismatchError: the encoder changed its space meanwhile.
        StoreError: the vectors of very many labels cannot be kept.
    """
    if len(prompts) < MANY:
        return label_vectors(encoder, prompts)
    return label_store(encoder, progress=progress).vectors(prompts)


def _digests(prompts: Sequence[Sequence[str]]) -> NDArray[np.bytes_]:
    """Return (C,) digests of the prompts of each label, in their order."""
    digests = bytearray()
    for label in range(len(prompts)):
        digest = hashlib.blake2b(digest_size=_BYTES)
        for text in prompts[label]:
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d " % len(encoded) + encoded)
        digests += digest.digest()
    return np.frombuffer(bytes(digests), _DIGEST)


def _others(file: VectorFile) -> list[Path]:
    """Return the label lists of other sets, the newest first."""
    found = [path for path in file.path.parent.glob(f"*{_LABELS}") if path.stem != file.path.stem]
    return sorted(found, key=lambda path: -path.stat().st_mtime)[:_OTHERS]
