"""The embedded model against timm, transformers and loops written out."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from fieldguide.errors import WeightsError
from fieldguide.models.efficientnet_lite import EfficientNetLite0, load_efficientnet_lite0
from fieldguide.models.embedded import (
    CONSE_CLASSES,
    ConseJoin,
    ProjectorJoin,
    build_conse,
    normalise,
    stage_features,
)
from fieldguide.models.minilm import MiniLMTextTower
from fieldguide.models.weights import weight_paths
from fieldguide.plugins import get_catalog

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

CPU = torch.device("cpu")
TOOL = Path(__file__).parents[2] / "tools" / "embed_class_names.py"
TEXTS = [
    "a cat",
    "An H&E stained tile of lung adenocarcinoma.",
    "",
    "Zürich, naïve; 漢字 and 🐟",
    "many planes are parked next to a long building in an airport " * 40,
]


@pytest.fixture(scope="module")
def paths() -> dict[str, Path]:
    return weight_paths(get_catalog().registry.model("embedded_conse"))


@pytest.fixture(scope="module")
def vision(paths: dict[str, Path]) -> EfficientNetLite0:
    return load_efficientnet_lite0(str(paths["vision"]))


@pytest.fixture(scope="module")
def timm_model(paths: dict[str, Path]) -> torch.nn.Module:
    published = torch.load(paths["vision"], map_location="cpu", weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    names = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    values = [v for name, v in published.items() if not name.endswith("num_batches_tracked")]
    model.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
    return model.eval()


@pytest.fixture(scope="module")
def text(paths: dict[str, Path]) -> MiniLMTextTower:
    return MiniLMTextTower(paths["text"], paths["tokenizer"], CPU)


def pixels(count: int = 2, size_px: int = 224) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size_px, size_px), generator=generator)


@torch.inference_mode()
@pytest.mark.parametrize("size_px", [224, 225])
def test_logits_equal_timms_to_the_last_bit(
    vision: EfficientNetLite0, timm_model: torch.nn.Module, size_px: int
) -> None:
    x = normalise(pixels(size_px=size_px))
    assert torch.equal(vision(x), timm_model(x))


@torch.inference_mode()
def test_stage_features_equal_the_pooled_blocks_of_timm(
    vision: EfficientNetLite0, timm_model: torch.nn.Module
) -> None:
    x = normalise(pixels())
    y = timm_model.bn1(timm_model.conv_stem(x))
    expected = []
    for number, block in enumerate(timm_model.blocks):
        y = block(y)
        if number >= 4:
            expected.append(y.mean(dim=(2, 3)))
    expected.append(timm_model.bn2(timm_model.conv_head(y)).mean(dim=(2, 3)))
    found = stage_features(vision, x)
    assert found.shape == (2, 112 + 192 + 320 + 1280)
    assert torch.equal(found, torch.cat(expected, dim=1))


def test_normalisation_maps_the_published_mean_to_zero_and_a_deviation_to_one() -> None:
    assert normalise(torch.tensor([127, 255], dtype=torch.uint8)).tolist() == [0.0, 1.0]


@torch.inference_mode()
@pytest.mark.parametrize("sentence", TEXTS)
def test_text_vectors_equal_those_of_transformers(
    text: MiniLMTextTower, paths: dict[str, Path], sentence: str
) -> None:
    transformers = pytest.importorskip("transformers")
    folder = paths["text"].parent
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokens = tokenizer(sentence, truncation=True, max_length=256, return_tensors="pt")
    hidden = model(**tokens).last_hidden_state[0]
    expected = hidden.mean(dim=0) / hidden.mean(dim=0).norm()
    assert torch.allclose(text.encode([sentence])[0], expected, atol=1e-5)


def test_a_text_has_the_same_vector_alone_and_in_a_batch(text: MiniLMTextTower) -> None:
    together = text.encode(TEXTS)
    for row, sentence in enumerate(TEXTS):
        assert torch.allclose(together[row], text.encode([sentence])[0], atol=1e-5)


@torch.inference_mode()
def test_conse_equals_the_sum_written_out(
    vision: EfficientNetLite0, paths: dict[str, Path]
) -> None:
    encoder = build_conse(get_catalog().registry.model("embedded_conse"), CPU)
    stored = load_file(paths["join"])["class_names"].double().numpy()
    logits = vision(normalise(pixels())).double().numpy()
    for row, found in enumerate(encoder.encode_images(pixels()).vectors):
        weights = [np.exp(logit - max(logits[row])) for logit in logits[row]]
        total = np.zeros(384)
        for place in sorted(range(1000), key=lambda c: -weights[c])[:CONSE_CLASSES]:
            name = stored[place] / np.sqrt(sum(x * x for x in stored[place]))
            total += weights[place] * name
        assert np.allclose(found, total / np.sqrt(total @ total), atol=1e-5)


def test_conse_leaves_texts_as_they_are(paths: dict[str, Path]) -> None:
    vectors = torch.randn(2, 384)
    assert torch.equal(ConseJoin(load_file(paths["join"]), CPU).text(vectors), vectors)


def test_stored_class_names_equal_what_the_tool_computes(
    text: MiniLMTextTower, paths: dict[str, Path]
) -> None:
    tool = load_tool()
    names = tool.read_names(tool.DATA / "imagenet_class_names.txt")
    stored = load_file(paths["join"])["class_names"].float()
    assert len(names) == len(stored) == 1000
    assert torch.allclose(stored, text.encode(names), atol=2e-4)  # half precision below 0.25


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("embed_class_names", TOOL)
    if spec is None or spec.loader is None or not TOOL.is_file():
        pytest.skip("needs the repository's tools")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class StageStub(EfficientNetLite0):
    """An image tower whose pooled stages are given: stage s of image n is s + 10 n."""

    def pooled_stages(self, pixels: Tensor) -> tuple[Tensor, ...]:
        rows = 10.0 * torch.arange(len(pixels))[:, None]
        return tuple(rows + stage + torch.zeros(1, 2) for stage in range(8))


def projector_tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"image.weight": (3, 8), "image.bias": (3,), "text.weight": (3, 4), "text.bias": (3,)}
    tensors = {
        name: torch.randint(-4, 5, shape, generator=generator).half()
        for name, shape in shapes.items()
    }
    return {**tensors, "logit_scale": torch.tensor(12.5).half()}


def test_a_projected_image_is_the_linear_map_of_stages_four_to_seven() -> None:
    tensors = projector_tensors()
    join = ProjectorJoin(tensors, CPU)
    found = join.image(StageStub(), torch.zeros(2, 3, 4, 4)).tolist()
    for image in range(2):
        features = [10 * image + stage for stage in (4, 5, 6, 7) for _ in range(2)]
        for row in range(3):
            weights = tensors["image.weight"][row].tolist()
            expected = sum(w * x for w, x in zip(weights, features, strict=True))
            assert found[image][row] == expected + float(tensors["image.bias"][row])


def test_a_projected_text_is_the_linear_map_of_its_vector() -> None:
    tensors = projector_tensors()
    vector = [1.0, -2.0, 0.5, 3.0]
    found = ProjectorJoin(tensors, CPU).text(torch.tensor([vector]))[0].tolist()
    for row in range(3):
        expected = sum(w * x for w, x in zip(tensors["text.weight"][row].tolist(), vector,
                                             strict=True))  # fmt: skip
        assert found[row] == expected + float(tensors["text.bias"][row])


def test_the_logit_scale_is_read_from_the_projector() -> None:
    assert ProjectorJoin(projector_tensors(), CPU).logit_scale == 12.5


def test_a_projector_without_a_tensor_says_how_to_make_it_again() -> None:
    tensors = projector_tensors()
    del tensors["text.bias"]
    with pytest.raises(WeightsError, match=r"text\.bias.*tools/train_projectors\.py"):
        ProjectorJoin(tensors, CPU)
