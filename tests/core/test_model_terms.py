"""Licences are said before the first use, and a model is what its record states."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import torch

from fieldguide.contract import InputContract
from fieldguide.errors import WeightsError
from fieldguide.models.load import load_encoder, pick_model, say_licence
from fieldguide.models.terms import contract_differences, licence_line
from fieldguide.plugins import Catalog, get_catalog
from fieldguide.registry import ModelRecord
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
CONTRACT = {  # of the tiny checkpoint: CLIP's statistics, in 0..255
    "size_px": (32, 32),
    "resize": "center_crop",
    "mean": (122.7709383, 116.7460125, 104.09373615),
    "std": (68.5005327, 66.6321579, 70.32316305),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def catalog() -> Catalog:
    return get_catalog()


def record(tiny: Path, **stated: Any) -> ModelRecord:
    return ModelRecord.model_validate(
        {
            "name": "my_model",
            "summary": "x",
            "architecture": "open_clip",
            "scope": ["photo"],
            "licence": "MIT",
            "settings": {"folder": str(tiny)},
            **stated,
        }
    )


@pytest.mark.parametrize(
    "stated", [{}, {"embed_dim": 32}, {"image_size_px": 32}, {"contract": CONTRACT}]
)
def test_a_model_that_is_what_its_record_states_is_loaded(
    tiny: Path, catalog: Catalog, stated: dict[str, Any]
) -> None:
    assert load_encoder(record(tiny, **stated), catalog, CPU).space.dim == 32


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"embed_dim": 512}, "embed_dim 512 where the loaded model has 32"),
        ({"image_size_px": 224}, "image_size_px 224 where the loaded model has (32, 32)"),
        (
            {"contract": CONTRACT | {"resize": "squash"}},
            "resize squash where the loaded model has center_crop",
        ),
        (
            {"contract": CONTRACT | {"mean": (127.5, 127.5, 127.5)}},
            "mean (127.5, 127.5, 127.5) where the loaded model has (122.77",
        ),
    ],
)
def test_a_model_that_is_another_than_its_record_states_is_refused_with_both_values(
    tiny: Path, catalog: Catalog, stated: dict[str, Any], said: str
) -> None:
    with pytest.raises(WeightsError) as caught:
        load_encoder(record(tiny, **stated), catalog, CPU)
    assert said in str(caught.value)
    assert "'my_model'" in str(caught.value)


def test_rounded_statistics_are_no_difference_and_other_ones_are() -> None:
    exact = InputContract.model_validate(CONTRACT)
    rounded = exact.model_copy(update={"mean": (122.771, 116.746, 104.094)})
    other = exact.model_copy(update={"mean": (123.675, 116.28, 103.53)})  # ImageNet's

    assert contract_differences(rounded, exact) == {}
    assert set(contract_differences(other, exact)) == {"mean"}


def test_a_licence_with_its_limits_is_said_once_a_process_and_before_loading(
    tiny: Path, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    say_licence.cache_clear()
    limited = record(tiny, licence_limits="no use on Mondays", source="https://example.org/card")
    wrong = limited.model_copy(update={"settings": {"folder": str(tiny / "absent")}})

    with caplog.at_level(logging.WARNING, logger="fieldguide"):
        with pytest.raises(WeightsError):
            load_encoder(wrong, catalog, CPU)
        load_encoder(limited, catalog, CPU)

    assert [line.message for line in caplog.records] == [
        "my_model: licence MIT; limits: no use on Mondays; see 'fieldguide models my_model', "
        "https://example.org/card"
    ]


def test_a_download_says_its_licence_even_without_limits(catalog: Catalog) -> None:
    assert licence_line(catalog.registry.model("bioclip_2")) == (
        "bioclip_2: licence MIT; see 'fieldguide models bioclip_2', "
        "https://arxiv.org/abs/2505.23883"
    )


def test_free_weights_that_ship_and_a_users_own_model_are_silent(
    tiny: Path, catalog: Catalog
) -> None:
    assert licence_line(catalog.registry.model("embedded_conse")) is None
    assert licence_line(record(tiny, licence="LicenseRef-unknown")) is None


@pytest.mark.parametrize("name", ["mobileclip_s1", "embedded_conse", "clip_vit_b_32_openai"])
def test_weights_of_a_research_licence_can_be_switched_off(
    name: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_RESEARCH_WEIGHTS", "refuse")
    photo = catalog.domains["general"].modalities[0]
    if name == "mobileclip_s1":
        with pytest.raises(WeightsError, match=r"'mobileclip_s1' are for research use only"):
            pick_model(photo, catalog, name=name)
    else:
        assert pick_model(photo, catalog, name=name).name == name
