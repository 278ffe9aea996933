"""Losses are offered by name; a plugin brings more."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
import torch

from fieldguide.plugins import build_catalog

if TYPE_CHECKING:
    from pathlib import Path

CORE_LOSSES = [spec.name for spec in build_catalog([]).methods.usable() if spec.role == "loss"]

PLUGIN = """
from fieldguide.hookspecs import hookimpl
from fieldguide.specs import MethodSpec

api = 1


@hookimpl
def register_methods():
    yield MethodSpec(
        name="hinge",
        summary="The own text by a margin above all others",
        target="sky_losses.hinge:Hinge",
        role="loss",
    )
"""

HINGE = """
class Hinge:
    def __call__(self, images, texts, scale, bias):
        cosines = images.vectors @ texts.vectors.T
        own = cosines.diagonal()[:, None]
        return (0.2 + cosines - own).clamp(min=0).mean()
"""


def test_the_core_offers_the_losses_of_its_guide() -> None:
    assert CORE_LOSSES == [
        "class_level", "convirt", "fitclip", "infonce", "medclip", "medclip_dot", "multi_positive",
        "scold", "sigmoid", "teacher_student",
    ]  # fmt: skip


@pytest.mark.parametrize("name", CORE_LOSSES)
def test_a_loss_of_the_catalogue_is_made_without_arguments_and_gives_gradients(
    name: str, lab: Any
) -> None:
    loss = build_catalog([]).methods[name].load()()
    images, texts = lab.units(5, seed=1), lab.units(5, seed=2)
    labels = [lab.units(5, seed=seed).detach() for seed in (3, 4)]
    sides = lab.alone(images, labels[0]), lab.alone(texts, labels[1])
    value = loss(*sides, *lab.scalars(10.0, -10.0))
    value.backward()
    assert value.ndim == 0
    for side in (images, texts):
        assert bool(torch.isfinite(side.grad).all())
        assert bool((side.grad != 0).any())


def test_a_plugin_adds_a_loss_by_one_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Any
) -> None:
    package = tmp_path / "sky_losses"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(PLUGIN)
    (package / "hinge.py").write_text(HINGE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    catalog = build_catalog([EntryPoint("sky", "sky_losses.plugin", "fieldguide")])

    assert catalog.failures == ()
    assert catalog.methods.owners("hinge") == ("sky",)
    loss = catalog.methods["hinge"].load()()
    images, texts = lab.by_hand()  # own cosines .9 and .8; margins violated by nothing but 0.2
    assert lab.value(loss, images, texts, 1.0) == pytest.approx((0.2 + 0.2) / 4)
