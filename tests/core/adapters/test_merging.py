"""A merged model is a checkpoint like any other: open_clip loads it and gives the same vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file

from fieldguide.errors import AdapterError
from fieldguide.models.load import load_encoder
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.adapter import Adapter, AdapterConfig, base_of
from fieldguide.tuning.attach import attach
from fieldguide.tuning.changes import Offset, changed
from fieldguide.tuning.merging import export_merged, unmerged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.openclip import OpenClipEncoder


def test_open_clip_itself_loads_the_folder_and_gives_the_same_vectors(
    base: OpenClipEncoder, adapter: Adapter, pixels: torch.Tensor, tmp_path: Path
) -> None:
    folder = export_merged(base, adapter, tmp_path / "merged")
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    state = load_file(folder / "open_clip_model.safetensors")
    assert model.load_state_dict(state, strict=True).missing_keys == []
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")

    tuned = attach(base, adapter)
    mean = torch.tensor(base.contract.mean).view(1, 3, 1, 1)
    std = torch.tensor(base.contract.std).view(1, 3, 1, 1)
    with torch.inference_mode():
        images = model.encode_image((pixels.float() - mean) / std, normalize=True).numpy()
        texts = model.encode_text(tokenizer(["two cats"]), normalize=True).numpy()
    np.testing.assert_allclose(images, tuned.encode_images(pixels).vectors, atol=1e-5)
    np.testing.assert_allclose(texts, tuned.encode_texts(["two cats"]).vectors, atol=1e-5)
    assert model.logit_scale.exp().item() == pytest.approx(20.0)


@pytest.mark.parametrize("kind", ["vit", "vit_bpe", "resnet", "siglip", "coca", "timm_vit", "bert"])
def test_the_folder_is_a_model_of_its_own_for_every_kind(
    kind: str, tmp_path: Path, load: Callable[[Path], OpenClipEncoder]
) -> None:
    base = load(write_tiny_checkpoint(tmp_path / "base", architecture=kind))
    name = next(n for n, p in base.network.named_parameters() if n.startswith("visual."))
    values = torch.full_like(base.network.get_parameter(name), 0.05)
    config = AdapterConfig(
        name="a", summary="a", method="finetune", base=base_of(base, "base"), scope=("photo",),
        contract=base.contract.model_copy(update={"resize": "squash"}), logit_scale=30.0,
    )  # fmt: skip
    adapter = Adapter(config, {name: Offset(values)})
    found = load(export_merged(base, adapter, tmp_path / "merged"))

    tuned = attach(base, adapter)
    size = base.contract.size_px
    pixels = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    assert np.array_equal(found.encode_images(pixels).vectors, tuned.encode_images(pixels).vectors)
    assert np.array_equal(
        found.encode_texts(["a cat"]).vectors, tuned.encode_texts(["a cat"]).vectors
    )
    assert found.contract == tuned.contract
    assert found.logit_scale == pytest.approx(30.0)


def test_the_strength_is_merged(
    base: OpenClipEncoder, adapter: Adapter, pixels: torch.Tensor, tmp_path: Path,
    load: Callable[[Path], OpenClipEncoder],
) -> None:  # fmt: skip
    found = load(export_merged(base, adapter, tmp_path / "half", strength=0.5))
    expected = attach(base, adapter, strength=0.5)
    assert np.array_equal(
        found.encode_images(pixels).vectors, expected.encode_images(pixels).vectors
    )
    assert "at strength 0.5" in (tmp_path / "half" / "README.md").read_text("utf-8")


def test_what_was_merged_can_be_taken_out_again(base: OpenClipEncoder, adapter: Adapter) -> None:
    merged = attach(base, adapter).network
    found = unmerged(base.network, merged)

    assert set(found) == set(adapter.changes)
    for name, change in found.items():
        expected = adapter.changes[name].difference(change.values.shape)
        torch.testing.assert_close(change.values, expected, atol=1e-6, rtol=0)
    again = changed(base.network, found)
    for name, parameter in again.named_parameters():
        torch.testing.assert_close(parameter, merged.get_parameter(name), atol=1e-6, rtol=0)


def test_networks_of_two_kinds_have_no_difference(base: OpenClipEncoder) -> None:
    with pytest.raises(AdapterError, match="do not have the same parameters"):
        unmerged(base.network, torch.nn.Linear(2, 2))


def test_a_folder_that_is_there_is_not_written_into(
    base: OpenClipEncoder, adapter: Adapter, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="exists"):
        export_merged(base, adapter, tmp_path)


def test_the_embedded_model_says_why_it_has_no_merged_checkpoint(tmp_path: Path) -> None:
    catalog = get_catalog()
    record = catalog.registry.model("embedded_conse")
    encoder = load_encoder(record, catalog, torch.device("cpu"))
    config = AdapterConfig(
        name="a", summary="a", method="projector", base=base_of(encoder, record.name),  # type: ignore[arg-type] # it is Tunable
        contract=encoder.contract, logit_scale=15.0, scope=("photo",),
    )  # fmt: skip
    adapter = Adapter(config, {"join.image_bias": Offset(torch.ones(384))})

    with pytest.raises(AdapterError, match="--adapter a"):
        export_merged(encoder, adapter, tmp_path / "merged")  # type: ignore[arg-type]
