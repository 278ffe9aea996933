"""One base model in memory and many adapters; each request names its own.

An adapter is merged into a copy that shares every tensor it leaves alone with the base, so a copy
costs what the adapter changes. Copies are kept up to a number of bytes, the least recently used
ones go first; what an adapter itself takes, in low rank a hundredth of that, stays. Nothing is ever
written into a tensor that another request may read, so threads need no lock while they encode.

Serving of many adapters on one base: Sheng et al. 2023, "S-LoRA: Serving Thousands of Concurrent
LoRA Adapters" (arXiv:2311.03285). There the products stay unmerged, which pays for one token at a
time; here a request is a whole image or text, and a merged copy costs nothing more than the base.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

from fieldguide.errors import UnknownNameError
from fieldguide.models.embeddings import Embeddings
from fieldguide.models.tunable import Tunable
from fieldguide.tuning.adapter_choice import require_vectors
from fieldguide.tuning.attach import attach, attach_for_work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from fieldguide.tuning.adapter import Adapter

E = TypeVar("E", bound=Tunable)


MERGED_BYTES = 2 * 2**30
"""Of merged copies that are kept, when the user names no number."""


class Shelf(Generic[E]):
    """A base model and the adapters that requests may name; safe to use from threads.

    Args:
        base: the model without an adapter.
        adapters: by the name that requests use.
        max_bytes: of merged copies that are kept. The copy under use is never refused: with a
            smaller number than one copy needs, each request of another adapter merges anew.
    """

    def __init__(
        self, base: E, adapters: Mapping[str, Adapter] | None = None, max_bytes: int = MERGED_BYTES
    ) -> None:
        self.base = base
        self.max_bytes = max_bytes
        self._adapters: dict[str, Adapter] = {}
        self._merged: OrderedDict[str, E] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        for name, adapter in (adapters or {}).items():
            self.add(name, adapter)

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters that a request may name."""
        with self._lock:
            return tuple(sorted(self._adapters))

    @property
    def merged_bytes(self) -> int:
        """How many bytes the merged copies take that are kept, beside the base."""
        with self._lock:
            return sum(self._sizes[name] for name in self._merged)

    def add(self, name: str, adapter: Adapter) -> None:
        """Take an adapter; one of that name is replaced. It is checked by merging it once.

        Raises:
            AdapterError: it was made for another model, or has no effect.
            UsageError: it is a probe, which changes no vector.
        """
        require_vectors(adapter)
        tuned = attach_for_work(self.base, adapter)
        with self._lock:
            self._merged.pop(name, None)
            self._adapters[name] = adapter
            self._turns[name] = threading.Lock()
            self._keep(name, tuned)

    def remove(self, name: str) -> None:
        """Forget an adapter; requests that are under way end with it.

        Raises:
            UnknownNameError: there is none of that name.
        """
        with self._lock:
            if self._adapters.pop(name, None) is None:
                raise self._unknown(name)
            self._merged.pop(name, None)
            self._sizes.pop(name, None)
            self._turns.pop(name, None)

    def encoder(self, name: str | None) -> E:
        """Return the model with an adapter, or the base for None; an encoder like any other.

        It may be kept and used from any thread, also after its copy has left the shelf.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if name is None:
            return self.base
        with self._lock:
            if (kept := self._merged.get(name)) is not None:
                self._merged.move_to_end(name)
                return kept
            if name not in self._adapters:
                raise self._unknown(name)
            turn = self._turns[name]
        with turn:  # one thread merges, those that want the same adapter wait, all others go on
            return self._merge(name)

    def encode_images(self, pixels: Tensor, adapters: Sequence[str | None]) -> list[Embeddings]:
        """Embed a mixed batch: each row by the adapter it names.

        Args:
            pixels: (N, C, H, W) in the contract's units.
            adapters: N names; None for the base.

        Returns:
            N times one vector, in order, each in the space of its own adapter.

        Raises:
            UnknownNameError: a name is none of the shelf's.
            ValueError: there are more or fewer names than rows.
        """
        return self._mixed(adapters, len(pixels), lambda e, rows: e.encode_images(pixels[rows]))

    def encode_texts(
        self, texts: Sequence[str], adapters: Sequence[str | None]
    ) -> list[Embeddings]:
        """Embed texts, each by the adapter it names; as :meth:`encode_images`."""
        return self._mixed(
            adapters, len(texts), lambda e, rows: e.encode_texts([texts[row] for row in rows])
        )

    def _mixed(
        self,
        adapters: Sequence[str | None],
        count: int,
        encode: Callable[[E, list[int]], Embeddings],
    ) -> list[Embeddings]:
        if len(adapters) != count:
            raise ValueError(f"{len(adapters)} adapters are named for {count} rows")
        rows_of: dict[str | None, list[int]] = defaultdict(list)
        for row, name in enumerate(adapters):
            rows_of[name].append(row)
        encoders = {name: self.encoder(name) for name in rows_of}  # a wrong name fails first
        found: dict[int, Embeddings] = {}
        for name, rows in rows_of.items():
            embedded = encode(encoders[name], rows)
            for place, row in enumerate(rows):
                found[row] = Embeddings(embedded.vectors[place : place + 1], embedded.space)
        return [found[row] for row in range(count)]

    def _merge(self, name: str) -> E:
        with self._lock:
            if (kept := self._merged.get(name)) is not None:  # another thread was first
                return kept
            adapter = self._adapters.get(name)
        if adapter is None:
            raise self._unknown(name)
        tuned = attach(self.base, adapter)
        with self._lock:
            if self._adapters.get(name) is adapter:  # neither removed nor replaced meanwhile
                self._keep(name, tuned)
        return tuned

    def _keep(self, name: str, tuned: E) -> None:
        """Keep a merged copy and drop the least recently used ones; the lock is held."""
        self._merged[name] = tuned
        self._merged.move_to_end(name)
        self._sizes[name] = own_bytes(tuned, self.base)
        while sum(self._sizes[kept] for kept in self._merged) > self.max_bytes:
            self._merged.popitem(last=False)

    def _unknown(self, name: str) -> UnknownNameError:
        known = ", ".join(sorted(self._adapters)) or "none"
        return UnknownNameError(
            f"No adapter on the shelf is named {name!r}. There are: {known}. Add it: "
            "shelf.add(name, load_adapter(folder))"
        )


def own_bytes(tuned: Tunable, base: Tunable) -> int:
    """Return how many bytes of parameters a tuned model has that its base does not share."""
    shared = {parameter.data_ptr() for parameter in base.network.parameters()}
    own = {p.data_ptr(): p for p in tuned.network.parameters() if p.data_ptr() not in shared}
    return sum(parameter.numel() * parameter.element_size() for parameter in own.values())
