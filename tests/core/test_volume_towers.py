"""Networks of pictures that take volumes: inflated, or over slices whose vectors are pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.errors import UsageError
from fieldguide.models.inflate import KERNELS, DepthMean, Inflation, inflate
from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.slice_pooling import AttentionPooling, MeanPooling, TopKPooling
from fieldguide.models.tunable import Tunable, network_digest, sharing_copy
from fieldguide.models.volume_encoder import inflated, pool_slices
from fieldguide.models.volumes import EachVolume, InSteps, VolumeTower, axial_slices
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.layouts.layers import find_layers
from fieldguide.tuning.splitting import split_image
from fieldguide.tuning.trainables import stage_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.models.volume_encoder import VolumeEncoder
    from fieldguide.samples import Sample

CPU = torch.device("cpu")
KINDS = ("vit", "resnet", "timm_convnext", "timm_vit", "siglip", "coca")
DEPTH = 5


@dataclass(frozen=True)
class Box:
    """A contract of three windows whose volumes are ready."""

    size_px: tuple[int, ...]
    bands: tuple[str, ...] = ("a", "b", "c")
    units: str = "hounsfield_unit"
    spatial_dims: int = 3
    min_valid_fraction: float = 0.0

    @property
    def digest(self) -> str:
        return f"{self.size_px}{self.bands}"

    def model_dump(self) -> dict[str, Any]:
        return {"size_px": self.size_px}

    def prepare(self, sample: Sample, allowed: Sequence[str]) -> tuple[Sample, NDArray[Any]]:
        return sample, sample.array


def base(folder: Path, kind: str) -> Tunable:
    catalog = get_catalog()
    name = kind
    if not kind.startswith("embedded"):
        name = str(write_tiny_checkpoint(folder / kind, architecture=kind))
    return cast("Tunable", load_encoder(named_model(name, catalog), catalog, CPU))


def box(encoder: Tunable, depth: int = DEPTH) -> Box:
    height, width = encoder.contract.size_px
    return Box((width, height, depth))


def pictures(encoder: Tunable, count: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, *encoder.contract.size_px)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def volume_of(slices: Tensor) -> Tensor:
    """Return (C, X, Y, Z) whose axial slices (Z, C, H, W) these are."""
    return slices.flip(2, 3).permute(1, 3, 2, 0)


@torch.inference_mode()
def features(encoder: Tunable | VolumeEncoder, inputs: Tensor) -> Tensor:
    return cast("Tensor", encoder.image_module(inputs))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_slices_are_axial_from_anterior_and_from_the_right() -> None:
    volume = torch.arange(2 * 3 * 4).reshape(1, 2, 3, 4)
    slices = axial_slices(volume)
    assert slices.shape == (4, 1, 3, 2)
    for x, y, z in np.ndindex(2, 3, 4):
        assert slices[z, 0, 2 - y, 1 - x] == volume[0, x, y, z]
    assert torch.equal(volume_of(slices), volume)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
@pytest.mark.parametrize("kind", [*KINDS, "embedded_conse"])
def test_a_volume_constant_along_depth_has_the_features_of_the_picture(
    kind: str, kernel: str, tmp_path: Path
) -> None:
    encoder = base(tmp_path, kind)
    picture = pictures(encoder)
    how = Inflation(KERNELS[kernel], kernel, patch_depth=2)
    tower = inflated(encoder, how, box(encoder), "volumes")
    volume = volume_of(picture.expand(DEPTH, -1, -1, -1))
    close(features(tower, volume[None]), features(encoder, picture))
    depths = tower.image_module.depth_features(volume)
    close(depths.detach(), features(encoder, picture).expand_as(depths))


@pytest.mark.parametrize("kind", ["resnet", "embedded_conse"])
def test_centre_kernels_give_each_slice_its_own_features(kind: str, tmp_path: Path) -> None:
    encoder = base(tmp_path, kind)
    slices = pictures(encoder, DEPTH)
    tower = inflated(encoder, Inflation(KERNELS["centre"], "centre"), box(encoder), "volumes")
    found = tower.image_module.depth_features(volume_of(slices)).detach()
    close(found[DEPTH // 2], features(encoder, slices[DEPTH // 2 : DEPTH // 2 + 1])[0])
    close(found, features(encoder, slices))


def test_patches_of_centre_kernels_see_the_middle_slice_of_their_block(tmp_path: Path) -> None:
    encoder = base(tmp_path, "vit")
    slices = pictures(encoder, 3)
    how = Inflation(KERNELS["centre"], "centre", patch_depth=3)
    tower = inflated(encoder, how, box(encoder, 3), "volumes")
    close(features(tower, volume_of(slices)[None]), features(encoder, slices[1:2]))


@pytest.mark.parametrize(("padding", "stride"), [(1, 1), (1, 2)])
def test_an_inflated_convolution_is_that_of_three_axes_with_repeated_ends(
    padding: int, stride: int
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3, stride, padding))
    kernels = torch.randn(4, 2, 3, 3, 3)
    inflate(network, network[0], Inflation(lambda _kernel, _depth: kernels, "random"))
    slices = torch.randn(5, 2, 8, 7)
    given = F.pad(slices.permute(1, 0, 2, 3)[None], (0, 0, 0, 0, 1, 1), mode="replicate")
    bias = cast("Tensor", network[0].bias)
    expected = F.conv3d(given, kernels, bias, (1, stride, stride), (0, padding, padding))
    torch.testing.assert_close(network(slices), expected[0].permute(1, 0, 2, 3))


def test_squeeze_and_excitation_squeezes_over_depth_too() -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_efficientnet", num_classes=0).eval()
    first = cast("nn.Module", network.conv_stem)
    inflate(network, first, Inflation(KERNELS["centre"], "centre"))
    inside = [m for m in network.modules() if type(m).__name__ == "SqueezeExcite"]
    features = torch.randn(3, inside[0].conv_reduce.in_channels, 4, 4)
    own = cast("Any", inside[0])
    squeezed = features.mean(dim=(0, 2, 3))[None, :, None, None]
    expected = features * own.gate(own.conv_expand(own.act1(own.conv_reduce(squeezed))))
    torch.testing.assert_close(own(features), expected)


def test_joined_blocks_let_depths_see_each_other(tmp_path: Path) -> None:
    encoder = base(tmp_path, "vit")
    how = Inflation(KERNELS["centre"], "centre", patch_depth=1)
    tower = inflated(encoder, how, box(encoder, 2), "volumes")
    slices = pictures(encoder, 2)
    other = torch.cat([slices[:1], pictures(encoder, 1, seed=1)])
    ours, theirs = (tower.image_module.depth_features(volume_of(s)) for s in (slices, other))
    assert (ours[0] - theirs[0]).abs().max() > 1e-4


def test_the_base_is_not_written_and_all_but_the_kernels_is_shared(tmp_path: Path) -> None:
    encoder = base(tmp_path, "resnet")
    before = network_digest(encoder.network)
    how = Inflation(KERNELS["mean"], "mean")
    tower = inflated(encoder, how, box(encoder), "volumes")
    assert network_digest(encoder.network) == before
    own = dict(encoder.network.named_parameters())
    shared = {n for n, p in tower.network.named_parameters() if p is own[n]}
    assert set(own) == {name for name, _ in tower.network.named_parameters()}
    assert all(own[name].ndim == 4 and own[name].shape[-1] > 1 for name in set(own) - shared)
    assert tower.space.digest != encoder.space.digest


def test_a_convolution_that_nobody_knows_is_refused() -> None:
    class Own(nn.Conv2d):
        pass

    network = nn.Sequential(Own(3, 4, 3))
    with pytest.raises(UsageError, match="not known well enough"):
        inflate(network, network[0], Inflation(KERNELS["mean"], "mean"))


def test_a_network_without_convolutions_is_refused() -> None:
    network = nn.Sequential(nn.Linear(3, 4))
    with pytest.raises(UsageError, match="no convolution"):
        inflate(network, network[0], Inflation(KERNELS["mean"], "mean"))


def test_mean_pooling_is_the_mean_of_unit_vectors() -> None:
    vectors = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    assert MeanPooling()(vectors).tolist() == [0.5, 0.5]
    assert DepthMean()(vectors).tolist() == [1.5, 0.25]


def test_attention_begins_as_the_mean_and_follows_its_query() -> None:
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    pooling = AttentionPooling(4)
    torch.testing.assert_close(pooling(vectors), MeanPooling()(vectors))
    with torch.no_grad():
        pooling.query += torch.tensor([1.0, -2.0, 0.5, 0.0])
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    scores = [2 * sum(q * v for q, v in zip([1, -2, 0.5, 0], row, strict=True)) for row in
              unit.tolist()]  # fmt: skip
    weights = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(pooling.weights(vectors).detach(), weights, rtol=1e-5)
    np.testing.assert_allclose(pooling(vectors).detach(), weights @ unit.numpy(), rtol=1e-4)


def test_top_k_takes_the_longest_features_and_of_equals_the_lower_slice() -> None:
    lengths = torch.tensor([1.0, 5.0, 2.0, 5.0, 5.0])
    vectors = lengths[:, None] * F.normalize(torch.eye(5) + 0.1, dim=1)
    assert TopKPooling(2).chosen(vectors).tolist() == [1, 3]
    assert TopKPooling(9).chosen(vectors).tolist() == [0, 1, 2, 3, 4]
    expected = F.normalize(vectors[[1, 3]], dim=1).mean(dim=0)
    torch.testing.assert_close(TopKPooling(2)(vectors), expected)
    with pytest.raises(ValueError, match="name 1 or more"):
        TopKPooling(0)


@pytest.mark.parametrize(
    "make", [MeanPooling, lambda: AttentionPooling(32), lambda: TopKPooling(2)]
)
def test_slices_are_pooled_as_the_vectors_of_pictures_would_be(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    encoder = base(tmp_path, "vit")
    slices = pictures(encoder, DEPTH)
    tower = pool_slices(encoder, make(), box(encoder), "volumes")
    expected = make()(features(encoder, slices))
    close(features(tower, volume_of(slices)[None])[0], expected.detach())


def test_a_single_window_is_repeated(tmp_path: Path) -> None:
    encoder = base(tmp_path, "vit")
    gray = pictures(encoder, DEPTH)[:, :1]
    one = Box(box(encoder).size_px, bands=("lung",))
    tower = pool_slices(encoder, MeanPooling(), one, "volumes")
    expected = MeanPooling()(features(encoder, gray.expand(-1, 3, -1, -1)))
    close(features(tower, volume_of(gray)[None])[0], expected)


def test_steps_over_slices_change_nothing_but_memory() -> None:
    module = nn.Linear(3, 2)
    given = torch.randn(7, 3)
    torch.testing.assert_close(InSteps(module, 2)(given), module(given))
    pair = InSteps(_Pair(), 3)((given, given))
    torch.testing.assert_close(pair[1], given + given)
    stacked = EachVolume(_Pair())((given, given))
    torch.testing.assert_close(stacked[0], given - given)


class _Pair(nn.Module):
    def forward(self, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return state[0] - state[1], state[0] + state[1]


def test_volumes_of_a_batch_do_not_see_each_other(tmp_path: Path) -> None:
    encoder = base(tmp_path, "resnet")
    tower = inflated(encoder, Inflation(KERNELS["mean"], "mean"), box(encoder), "volumes")
    volumes = torch.stack([volume_of(pictures(encoder, DEPTH, seed)) for seed in (0, 1)])
    both = features(tower, volumes)
    close(both, torch.cat([features(tower, volumes[:1]), features(tower, volumes[1:])]))


@pytest.mark.parametrize("kind", ["vit", "embedded_lung_histology"])
@pytest.mark.parametrize("way", ["slices", "inflated"])
def test_a_tower_of_volumes_cut_into_stages_gives_the_same(
    kind: str, way: str, tmp_path: Path
) -> None:
    encoder = base(tmp_path, kind)
    tower: VolumeEncoder = (
        pool_slices(encoder, AttentionPooling(encoder.space.dim), box(encoder, 2), "volumes")
        if way == "slices"
        else inflated(encoder, Inflation(KERNELS["mean"], "mean", 2), box(encoder, 2), "volumes")
    )
    names = (*stage_parameters(tower, 1), *tower.new_parameters)
    split = split_image(tower, names)  # it compares with the whole, to the last bit
    assert split.prefix is not None
    assert find_layers(tower, ("image",))


def test_a_changed_network_is_used_and_texts_are_those_of_the_base(tmp_path: Path) -> None:
    encoder = base(tmp_path, "vit")
    tower = pool_slices(encoder, AttentionPooling(32), box(encoder), "volumes")
    changed = sharing_copy(tower.network)
    query = torch.linspace(-9, 9, 32)
    changed.get_submodule("slice_pooling")._parameters["query"] = nn.Parameter(query)
    other = tower.with_network(changed, adapter="a" * 64)
    volume = volume_of(pictures(encoder, DEPTH))[None]
    assert not torch.equal(features(tower, volume), features(other, volume))
    assert other.space.digest != tower.space.digest
    texts = ["a liver", "lungs"]
    assert np.array_equal(tower.encode_texts(texts).vectors, encoder.encode_texts(texts).vectors)
    assert tower.encode_texts(texts).space == tower.space


def test_slices_of_another_size_than_the_models_are_refused(tmp_path: Path) -> None:
    encoder = base(tmp_path, "vit")
    with pytest.raises(UsageError, match=r"Write size: \[32, 32, 5\]"):
        pool_slices(encoder, MeanPooling(), Box((16, 32, 5)), "volumes")


def test_two_windows_do_not_fill_three_channels(tmp_path: Path) -> None:
    encoder = base(tmp_path, "vit")
    two = Box(box(encoder).size_px, bands=("a", "b"))
    with pytest.raises(UsageError, match="has 2 windows"):
        pool_slices(encoder, MeanPooling(), two, "volumes")


def test_an_encoder_of_volumes_is_no_base_of_another(tmp_path: Path) -> None:
    encoder = base(tmp_path, "vit")
    tower = pool_slices(encoder, MeanPooling(), box(encoder), "volumes")
    with pytest.raises(UsageError, match="takes volumes already"):
        pool_slices(tower, MeanPooling(), box(encoder), "again")


def test_a_tower_of_volumes_is_a_module_of_its_parts() -> None:
    tower = VolumeTower(nn.Flatten(), MeanPooling(), 3, None)
    assert tower(torch.ones(2, 1, 2, 2, 4)).shape == (2, 12)
