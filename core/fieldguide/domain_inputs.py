"""What a user named, as items of a domain: found, filtered, and by ids where names are private."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.data.inputs import Item, filter_row, find_items
from fieldguide.retrieval.where import matches, parse_where
from fieldguide.zeroshot.class_sets import bare

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fieldguide.guides import Guide
    from fieldguide.privacy.names import PrivateNames


def find_inputs(
    guide: Guide,
    inputs: Any,
    where: str | None,
    shown: Sequence[str],
    shown_in_any_spelling: Collection[str],
) -> list[Item]:
    """Return the items that inputs stand for; arguments as of ``Guide.find``.

    Raises:
        UsageError: nothing fits, or the filter cannot be read.
    """
    if isinstance(inputs, list) and inputs and all(isinstance(i, Item) for i in inputs):
        return inputs
    private = guide.private
    if private is not None:
        inputs = private.typed(inputs)
    items = find_items(inputs, guide.planner.all_loader_specs(), guide.roots)
    if where is not None:
        condition = parse_where(where)
        items = [item for item in items if matches(condition, filter_row(item))]
    return items if private is None else _hidden(items, private, shown, shown_in_any_spelling)


def _hidden(
    items: Sequence[Item], private: PrivateNames, shown: Sequence[str], alike: Collection[str]
) -> list[Item]:
    """Return items by their ids, with no column but those that the job needs."""
    columns = {column for item in items for column in item.metadata}
    same = {column for column in columns if bare(column) in alike}
    hidden = private.hide(items, {*shown, *same})
    return list({item.id: item for item in hidden}.values())  # two links to one file are one
