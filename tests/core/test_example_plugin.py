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
from fieldguide.specs import CommandSpec, ModelSpec
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


def offering(monkeypatch: pytest.MonkeyPatch, catalog: Catalog, hook: str, spec: Any) -> list[str]:
    """Return what is wrong with the example when one of its hooks offers this and nothing else."""
    plugin: Any = importlib.import_module("fieldguide_thermal.plugin")

    def offers() -> list[Any]:
        return [spec]

    offers.fieldguide_impl = {}  # type: ignore[attr-defined]  # as hookimpl marks it
    monkeypatch.setattr(plugin, hook, offers, raising=False)
    return check_plugin(plugin, catalog)


@pytest.mark.parametrize("field", ["target", "windows", "recognizes"])
def test_the_checks_name_a_target_that_does_not_exist(
    field: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = catalog.loaders["thermal_frame"]
    broken = spec.model_copy(update={field: "fieldguide_thermal.frames:Nothing"})
    faults = offering(monkeypatch, catalog, "register_loaders", broken)
    assert any("Nothing" in fault for fault in faults)


def test_the_checks_name_a_recipe_that_does_not_exist(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec(
        name="warm",
        summary="A model made from another one",
        target="fieldguide_thermal.frames:ThermalLoader",
        recipe_key="hottest",
        recipe="fieldguide_thermal.frames:no_recipe",
    )
    (fault,) = offering(monkeypatch, catalog, "register_models", spec)
    assert fault.startswith("recipe of the model 'warm'")
    assert "no_recipe" in fault


@pytest.mark.parametrize(
    ("domain", "target", "said"),
    [
        ("thermal", "fieldguide_thermal.frames:ThermalLoader", "it is no click.Command"),
        ("thermal", "fieldguide_thermal.frames:nothing", "nothing"),
        ("sea", "fieldguide.cli.demo:demo", "No domain is named 'sea'"),
    ],
)
def test_the_checks_name_a_command_that_cannot_be_typed(
    domain: str, target: str, said: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = CommandSpec(name="calibrate", summary="Calibrates.", target=target, domain=domain)
    (fault,) = offering(monkeypatch, catalog, "register_commands", spec)
    assert "the command 'calibrate'" in fault
    assert said in fault


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"normaliser_options": ("coldest_c",)}, "takes coldest_c"),
        ({"normaliser": "fieldguide_thermal.frames:no_normaliser"}, "no_normaliser"),
    ],
)
def test_the_checks_name_a_normaliser_that_cannot_be_asked_for(
    changed: dict[str, Any], said: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = catalog.domains["thermal"]
    modality = domain.modalities[0].model_copy(update=changed)
    broken = domain.model_copy(update={"modalities": (modality,)})
    (fault,) = offering(monkeypatch, catalog, "register_domains", broken)
    assert said in fault


def test_the_checks_name_pictures_for_the_demo_that_nothing_makes(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = catalog.domains["thermal"]
    broken = domain.model_copy(update={"demo": "fieldguide_thermal.frames:no_pictures"})
    (fault,) = offering(monkeypatch, catalog, "register_domains", broken)
    assert "no_pictures" in fault


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
