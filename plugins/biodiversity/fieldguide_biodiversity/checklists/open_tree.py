"""A taxonomy by its path: a built tree at once, a source while it is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.data.files import files_of, reached
from fieldguide.errors import LoadError, UsageError
from fieldguide.plugins import get_catalog
from fieldguide.taxonomy.tree_file import is_tree_file, read_tree
from fieldguide_biodiversity.checklists.read import build

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.taxonomy.tree import Tree

DOMAIN = "biodiversity"
MAX_SOURCE_BYTES = 32 * 2**20
"""Of a source that is read anew each time: a few seconds."""


def read_taxonomy(path: Path) -> Tree:
    """Return the tree of a file that ``taxonomy build`` wrote, or of a small source.

    Raises:
        UsageError: it cannot be read, or is so large that it has to be built first.
    """
    if is_tree_file(path) or path.suffix.lower() == ".tree":
        return read_tree(path)
    try:
        size = sum(reached(file).st_size for file in files_of(path))
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    if size > MAX_SOURCE_BYTES:
        raise UsageError(
            f"{path} has {size >> 20} MiB, too much to be read anew each time. Build it once: "
            f"fieldguide biodiversity taxonomy build {path} -o NAME.tree"
        )
    return build(path).tree


def chosen_tree(taxonomy: Path | None) -> Tree:
    """Return the tree of a path, or the domain's own.

    Raises:
        UsageError: it cannot be read, or the domain has none.
    """
    if taxonomy is not None:
        return read_taxonomy(taxonomy)
    domain = get_catalog().domains[DOMAIN]
    if domain.taxonomy is None:
        raise UsageError("Name a taxonomy: --taxonomy FILE")
    tree: Tree = domain.import_target(domain.taxonomy)()
    return tree
