"""Images found by an image share findings with it, or do not."""

from __future__ import annotations

import numpy as np
import pytest

from fieldguide.benchmarks.finding_images import shared_figures
from fieldguide.errors import UsageError

FINDINGS = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
SIMILARITY = np.array([
    [1.0, 0.9, 0.5, 0.99],
    [0.9, 1.0, 0.95, 0.99],
    [0.5, 0.95, 1.0, 0.99],
    [0.99, 0.99, 0.99, 1.0],
])  # fmt: skip


def test_map_is_the_mean_jaccard_index_of_the_hits_by_hand() -> None:
    # the fourth has no finding and is no hit; nobody hits itself
    # 0 -> 1 (1/2), 2 (0); 1 -> 2 (0), 0 (1/2); 2 -> 1 (0), 0 (0)
    figures = shared_figures(SIMILARITY, FINDINGS, ["a", "b", "c", "d"], (1, 2, 50))
    assert [row.metric for row in figures] == ["map_at_1", "map_at_2"]
    assert figures[0].value == pytest.approx(100 * (0.5 + 0 + 0) / 3)
    assert figures[1].value == pytest.approx(100 * (0.25 + 0.25 + 0) / 3)
    assert figures[0].n == 3


def test_too_few_images_with_findings_are_refused() -> None:
    with pytest.raises(UsageError, match="1 images have a finding"):
        shared_figures(np.eye(2), np.array([[True], [False]]), ["a", "b"], (1,))
