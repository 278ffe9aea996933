"""Files that options of a private domain name: their names may name people too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import exists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.privacy.names import PrivateNames
    from fieldguide.specs import DomainSpec


def meant_options(
    private: PrivateNames, domain: DomainSpec, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return options with the files that ids among them mean, and hide the names of files.

    An index keeps its options with ids in place of files, so that it tells no name and can still
    be opened with the same files.

    Args:
        private: the ids of one guide.
        domain: whose options they are.
        options: as the user or an index gives them.

    Raises:
        StoreError: the map from ids to files cannot be read or written.
    """
    texts = {each.name for each in domain.options if each.type == "text" and not each.choices}
    found = dict(options)
    for name in texts & set(options):
        found[name] = str(private.typed(str(options[name])))
        if exists(Path(found[name])):
            private.hide_paths([found[name]])
    return found
