"""Captions from reports: one sentence of the findings or the impression at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.captions.sentences import report_sentences
from fieldguide.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTIONS = ("findings", "impression")
"""What describes the image; history, technique and comparison do not."""
WHOLE = ("report", "report_text")
"""Read where a row has neither section in a column of its own."""


def report_captions(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sentences of a row's report, of which a training draws one each time.

    The sampling is that of Zhang et al. 2020, "Contrastive Learning of Medical Visual
    Representations from Paired Images and Text" (arXiv:2010.00747).

    Args:
        record: a manifest row with columns ``findings`` and ``impression``, or ``report`` or
            ``report_text``; capitals do not matter.

    Raises:
        ContractError: there is no sentence in them.

    >>> report_captions({"Findings": "Heart size is normal. Lungs clear.", "impression": None})
    ('Heart size is normal.',)
    """
    cells = {str(column).lower(): value for column, value in record.items()}
    for columns in (SECTIONS, WHOLE):
        texts = [cells[name] for name in columns if isinstance(cells.get(name), str)]
        sentences = [sentence for text in texts for sentence in report_sentences(text)]
        if sentences:
            return tuple(dict.fromkeys(sentences))
    raise ContractError(
        "its row has no sentence of three words in the columns findings, impression, report or "
        "report_text. Fill one of them."
    )
