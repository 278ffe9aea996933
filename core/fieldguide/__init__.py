"""fieldguide: tells what an image shows, by description, where general models fail.

Public names are resolved at first use (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldguide.captions.make import make_captions
    from fieldguide.contract import InputContract
    from fieldguide.data.crops import crops, crops_of
    from fieldguide.errors import FieldguideError
    from fieldguide.guides import Guide, guide, open_index
    from fieldguide.hookspecs import hookimpl
    from fieldguide.models.embeddings import Embeddings, SpaceId
    from fieldguide.plugins import get_catalog
    from fieldguide.retrieval.index import Index
    from fieldguide.samples import Sample
    from fieldguide.zeroshot.choose_taxa import taxa

__version__ = "0.1.0"

_HOMES = {
    "Embeddings": "fieldguide.models.embeddings",
    "FieldguideError": "fieldguide.errors",
    "Guide": "fieldguide.guides",
    "Index": "fieldguide.retrieval.index",
    "InputContract": "fieldguide.contract",
    "Sample": "fieldguide.samples",
    "SpaceId": "fieldguide.models.embeddings",
    "crops": "fieldguide.data.crops",
    "crops_of": "fieldguide.data.crops",
    "get_catalog": "fieldguide.plugins",
    "guide": "fieldguide.guides",
    "hookimpl": "fieldguide.hookspecs",
    "make_captions": "fieldguide.captions.make",
    "open_index": "fieldguide.guides",
    "taxa": "fieldguide.zeroshot.choose_taxa",
}

__all__ = [
    "Embeddings",
    "FieldguideError",
    "Guide",
    "Index",
    "InputContract",
    "Sample",
    "SpaceId",
    "__version__",
    "crops",
    "crops_of",
    "get_catalog",
    "guide",
    "hookimpl",
    "make_captions",
    "open_index",
    "taxa",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
