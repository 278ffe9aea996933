"""Real slides are classified by their windows; broken files are rows; a search embeds no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import fieldguide as fg
from fieldguide.localization.store import WindowStore
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.shared_data


def test_slides_are_classified_by_windows_in_their_own_stain_and_broken_ones_recorded(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = write_tiny_checkpoint(tmp_path / "tiny")
    folder = shared_data / "medical/wsi"
    guide = fg.guide("medical", modality="slide", model=str(tiny), stain="macenko")
    found = guide.classify(
        [folder / "broken.svs", folder / "cmu_small_region.svs"], ["a", "b"], window=448,
        vectors=tmp_path / "v",
    )  # fmt: skip
    broken, slide = found.report
    assert (broken.status, broken.windows) == ("skipped", 0)
    assert (slide.status, slide.reason) == ("ok", "repaired: stain_macenko")
    assert 0 < slide.empty < slide.windows == slide.embedded
    assert sum(guess.probability for guess in found[1].guesses) == pytest.approx(1)
    monkeypatch.setattr(WindowStore, "add", lambda *_: pytest.fail("a window was embedded"))
    guide.locate(
        folder / "cmu_small_region.svs", "a", windows=[448], overlap=0.0, vectors=tmp_path / "v"
    )
