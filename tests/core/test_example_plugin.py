"""The example plugin is complete, passes the checks for authors, and runs end to end."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fieldguide.guides import Guide
from fieldguide.plugins import build_catalog
from fieldguide.testing import check_plugin, write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.plugins import Catalog

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/fieldguide-thermal"


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    entry = EntryPoint("thermal", "fieldguide_thermal.plugin", "fieldguide")
    yield build_catalog([entry])
    for name in [name for name in sys.modules if name.startswith("fieldguide_thermal")]:
        del sys.modules[name]


def test_the_example_passes_the_checks_for_authors(catalog: Catalog) -> None:
    plugin = importlib.import_module("fieldguide_thermal.plugin")
    assert check_plugin(plugin, catalog) == []


@pytest.mark.parametrize("field", ["target", "windows"])
def test_the_checks_name_a_target_that_does_not_exist(
    field: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin: Any = importlib.import_module("fieldguide_thermal.plugin")
    spec = next(iter(plugin.register_loaders()))
    broken = spec.model_copy(update={field: "fieldguide_thermal.frames:Nothing"})

    def register_loaders() -> list[Any]:
        return [broken]

    register_loaders.fieldguide_impl = {}  # type: ignore[attr-defined]  # as hookimpl marks it
    monkeypatch.setattr(plugin, "register_loaders", register_loaders)
    assert any("Nothing" in fault for fault in check_plugin(plugin, catalog))


def test_frames_are_classified_with_their_dead_pixels_filled(
    catalog: Catalog, tmp_path: Path
) -> None:
    frame = np.linspace(-10, 40, 64 * 64).reshape(64, 64)
    frame[0, 0] = np.nan
    np.save(tmp_path / "a.npy", frame)
    (tmp_path / "b.npy").write_bytes(b"no array")
    model = write_tiny_checkpoint(tmp_path / "tiny")
    guide = Guide("thermal", model=str(model), catalog=catalog, options={"hottest_c": 40.0})
    good, bad = guide.classify(tmp_path, classes="wildlife")
    assert good.status == "ok"
    assert "fill_nodata_with_mean" in good.reason
    assert good.metadata["hottest_c"] == pytest.approx(40)
    assert bad.status == "skipped"
    assert "not a NumPy array" in bad.reason
