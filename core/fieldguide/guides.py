"""The front door for Python users: a guide for a domain, and an index that has its own.

The module is not named ``guide``: importing a submodule of that name would replace the public
function ``fieldguide.guide``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.domain_guide import Guide
from fieldguide.privacy.domains import PATHS
from fieldguide.runtime import AUTO, TORCH, Precision, Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fieldguide.domain_guide import AdapterName
    from fieldguide.retrieval.index import Index

__all__ = ["Guide", "guide", "open_index"]


def guide(  # noqa: PLR0913 - the front door
    domain: str | None = None,
    *,
    modality: str | None = None,
    model: str | None = None,
    adapter: AdapterName = None,
    strength: float | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    precision: Precision = AUTO,
    backend: str = TORCH,
    progress: bool = False,
    roots: Sequence[str | Path] = (),
    show_paths: bool = False,
    show_columns: Sequence[str] = (),
    **options: Any,
) -> Guide:
    """Return a guide for one domain.

    Args:
        domain: the name of an installed domain, see ``fieldguide plugins``; by default that of the
            adapter, or "general".
        modality: one of its modalities; by default found by the files.
        model: a registry name, ``hf-hub:org/name``, an open_clip folder, or ``ARCHITECTURE:FILE``.
        adapter: a registry name, a folder or zip of ``fieldguide tune``, or one that was read.
        strength: of the adapter, 0 (the base) to 1 (as trained).
        device: "cpu", "cuda:0" ..., or None for the best there is.
        batch_size: images a step of the model; None lets memory decide.
        precision: of the image side: "fp32", "bf16", or "auto" for bf16 in long jobs where a short
            probe shows that it is faster and agrees.
        backend: what runs the image side: "torch", "openvino", "onnx", or that of a plugin.
        progress: whether progress bars are shown.
        roots: folders of which manifests may name files, beside their own and the current one.
        show_paths: let results name files also where the domain keeps them private.
        show_columns: of manifests, whose values a private domain may show.
        **options: the domain's own options, such as ``assume_hu=True``.
    """
    runtime = Runtime(
        device=device, batch_size=batch_size, progress=progress, precision=precision,
        backend=backend,
    )  # fmt: skip
    return Guide(
        domain, modality=modality, model=model, adapter=adapter, strength=strength,
        options=options, runtime=runtime, roots=roots, show_paths=show_paths,
        show_columns=show_columns,
    )  # fmt: skip


def open_index(
    folder: str | Path,
    *,
    runtime: Runtime | None = None,
    adapter: AdapterName = None,
    strength: float | None = None,
) -> Index:
    """Open an index with the model and adapter it was made with.

    Args:
        folder: of the index.
        runtime: device, batch size and others.
        adapter: the same one in another place; by default where the index says.
        strength: of that adapter.

    Raises:
        StoreError: there is no index.
        UnknownNameError: its domain, model or adapter is not installed here.
        AdapterError: its adapter is damaged.
    """
    from fieldguide.retrieval.index import Index  # lancedb takes 2 s to import
    from fieldguide.retrieval.job import read_job
    from fieldguide.retrieval.lance_index import open_lance_index

    store = open_lance_index(folder)
    about = read_job(store.about, store.folder)
    owner = Guide(
        about.domain,
        modality=about.modality,
        model=about.model,
        adapter=adapter or about.adapter,
        strength=about.strength if strength is None else strength,
        options=about.options,
        out_of_scope=about.out_of_scope,
        runtime=runtime,
        show_paths=about.names == PATHS,
    )
    owner.keep_sources_beside(folder)
    return Index(store, owner)
