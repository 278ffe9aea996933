"""The embedded model: EfficientNet-Lite0 and MiniLM, from weights that install with pip.

Two ways join the towers, each an architecture of its own:

* :func:`build_conse` for natural images, without training: the probability-weighted mean of the
  embeddings of ImageNet class names (Norouzi et al. 2013, "Zero-Shot Learning by Convex
  Combination of Semantic Embeddings", arXiv:1312.5650).
* :func:`build_projected` for a domain: a linear projector on each side, trained on pairs with both
  towers frozen (Maniparambil et al. 2024, "From Unimodal to Multimodal: Scaling up Projectors to
  Align Modalities"), on several stages of the image tower because the best features are not at
  its output (Bolya et al. 2025, "Perception Encoder", arXiv:2504.13181).

Only this module knows how the embedded model is made. It is not a CLIP: each checkpoint states
its scope.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Self, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.contract import InputContract
from fieldguide.errors import WeightsError
from fieldguide.models.efficientnet_lite import EfficientNetLite0, load_efficientnet_lite0
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.models.minilm import PADDING, MiniLM, MiniLMTextTower
from fieldguide.models.towers import EagerTower, ImageTower
from fieldguide.models.tunable import ProjectionInput
from fieldguide.models.weights import weight_paths, weights_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fieldguide.registry import ModelRecord

MEAN = (127.0, 127.0, 127.0)  # the checkpoint's own preprocessing, not ImageNet's statistics
STD = (128.0, 128.0, 128.0)
FEATURE_STAGES = (4, 5, 6, 7)  # of EfficientNetLite0.pooled_stages; 7 is the head
FEATURE_WIDTH = 1904  # 112 + 192 + 320 + 1280
CONSE_CLASSES = 10  # T of the paper, which reports T = 1, 10 and 1000
CONSE_LOGIT_SCALE = 15.0  # fitted by tools/measure_conse.py; the card says how


class EmbeddedNetwork(nn.Module):
    """All that can be trained; an adapter names its changes by the parameters' names here.

    Attributes:
        vision: the image network.
        text: the text network.
        join: what brings both into one space.
    """

    def __init__(self, vision: EfficientNetLite0, text: MiniLM, join: Join) -> None:
        super().__init__()
        self.vision = vision
        self.text = text
        self.join = join


class EmbeddedImageTower(nn.Module):
    """From pixels to the shared space. It offers no bfloat16.

    In bfloat16 the distances between images change by 5 to 21 % of their median, because the
    depthwise convolutions and the ten likeliest of 1,000 classes are decided by small differences
    (24 pictures of ``models.probing``, each of the shipped checkpoints).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, vision: EfficientNetLite0, join: Join, contract: InputContract) -> None:
        super().__init__()
        self.vision = vision
        self.join = join
        for name, values in (("mean", contract.mean), ("std", contract.std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, C, H, W) pixels of 0..255 to (N, D)."""
        return self.join.image(self.vision, (pixels.float() - self.mean) / self.std)


class EmbeddedTextTower(nn.Module):
    """From token numbers to the shared space."""

    def __init__(self, text: MiniLM, join: Join) -> None:
        super().__init__()
        self.text = text
        self.join = join

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T) token numbers, 0 where padded, to (N, D)."""
        return self.join.text(self.text(tokens, tokens != PADDING))


class EmbeddedEncoder:
    """Both towers and the two functions that bring them into one space.

    Attributes:
        network: both towers and what joins them; it can be tuned, see ``models.tunable``.
        image_module: from (N, C, H, W) uint8 pixels to (N, D) features, on ``device``.
        image_tower: what ``encode_images`` calls.
        text_module: from (N, T) token numbers to (N, D) features, on ``device``.
        new_parameters: see ``models.tunable.HasNewParameters``.
        first_convolution: path of the module in ``network`` that the pixels enter.
    """

    network: EmbeddedNetwork
    image_module: nn.Module
    image_tower: ImageTower
    text_module: nn.Module
    new_parameters: tuple[str, ...] = ()
    first_convolution = "vision.stem"

    def __init__(
        self,
        record: ModelRecord,
        device: torch.device,
        join: Callable[[dict[str, Tensor], torch.device], Join],
        pooling: str,
    ) -> None:
        paths = weight_paths(record)
        self.device = device
        self.contract = input_contract(record)
        vision = load_efficientnet_lite0(str(paths["vision"])).to(device)
        self.text = MiniLMTextTower(paths["text"], paths["tokenizer"], device)
        joined = join(load_file(paths["join"], device=str(device)), device)
        self.logit_scale = joined.logit_scale
        # channels_last is twice as fast on a CPU as contiguous memory
        vision = vision.to(memory_format=torch.channels_last)
        self._use(EmbeddedNetwork(vision, self.text.network, joined.requires_grad_(False)))
        self.space = SpaceId(
            model=record.name,
            encoder=weights_digest(record, paths),
            contract=self.contract.digest,
            pooling=pooling,
            dim=record.stated("embed_dim"),
        )

    def with_network(
        self,
        network: nn.Module,
        *,
        adapter: str | None = None,
        logit_scale: float | None = None,
        contract: InputContract | None = None,
    ) -> Self:
        """Return this encoder around another network of the same structure; see ``Tunable``."""
        other = copy.copy(self)
        other.contract = self.contract if contract is None else contract
        other.text = copy.copy(self.text)
        other._use(cast("EmbeddedNetwork", network))
        other.text.network = other.network.text
        fields = {"adapter": adapter, "contract": other.contract.digest}
        other.space = self.space.model_copy(update=fields)
        other.logit_scale = self.logit_scale if logit_scale is None else logit_scale
        return other

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return (N, T) token numbers, 0 where padded, on ``device``."""
        return self.text.tokenize(texts)

    def _use(self, network: EmbeddedNetwork) -> None:
        self.network = network.eval()
        tower = EmbeddedImageTower(network.vision, network.join, self.contract)
        self.image_module = tower.to(self.device).eval()
        self.image_tower = EagerTower(self.image_module, self.device)
        self.text_module = EmbeddedTextTower(network.text, network.join).eval()

    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed (N, C, H, W) pixels of 0..255."""
        return Embeddings(unit_length(self.image_tower(pixels).numpy()), self.space)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts in their order."""
        vectors = self.network.join.text(self.text.encode(texts).to(self.device))
        return Embeddings(unit_length(vectors.cpu().numpy()), self.space)


class Join(nn.Module):
    """How two frozen towers become one space."""

    logit_scale: float

    def image(self, vision: EfficientNetLite0, pixels: Tensor) -> Tensor:
        """Map normalised pixels (N, C, H, W) to (N, D)."""
        raise NotImplementedError

    def text(self, vectors: Tensor) -> Tensor:
        """Map MiniLM's unit vectors (N, 384) to (N, D)."""
        raise NotImplementedError


class ConseJoin(Join):
    """Image: the convex combination of class-name embeddings. Text: as MiniLM gives it.

    To both a linear map is added that is zero, of the pooled stages and of MiniLM's vector: nothing
    is changed by it until an adapter fills it.
    """

    names: Tensor  # (1000, 384)

    def __init__(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        super().__init__()
        self.register_buffer("names", F.normalize(tensors["class_names"].float(), dim=1))
        width = self.names.shape[1]
        zeros = functools.partial(torch.zeros, device=device)
        self.conse_weight = nn.Parameter(torch.ones((), device=device))
        self.image_weight = nn.Parameter(zeros(width, FEATURE_WIDTH))
        self.image_bias = nn.Parameter(zeros(width))
        self.text_weight = nn.Parameter(zeros(width, width))
        self.text_bias = nn.Parameter(zeros(width))
        self.image_inputs = ProjectionInput("image_weight", "image_bias", ("conse_weight",))
        self.logit_scale = CONSE_LOGIT_SCALE

    def image(self, vision: EfficientNetLite0, pixels: Tensor) -> Tensor:
        """Weight the names of the ten likeliest classes by their probabilities."""
        pooled = vision.pooled_stages(pixels)
        probabilities = vision.classifier(pooled[-1]).softmax(dim=1)
        top = probabilities.topk(CONSE_CLASSES, dim=1)
        weights = top.values / top.values.sum(dim=1, keepdim=True)
        vectors: Tensor = (weights[:, :, None] * self.names[top.indices]).sum(dim=1)
        features = self.image_inputs(join_stages(pooled))
        learned = F.linear(features, self.image_weight, self.image_bias)
        return self.conse_weight * vectors + learned

    def text(self, vectors: Tensor) -> Tensor:
        """Return the vectors; an adapter may add to them."""
        return vectors + F.linear(vectors, self.text_weight, self.text_bias)


class ProjectorJoin(Join):
    """A linear map on each side; keys as ``tuning.projector`` writes them."""

    image_weight: nn.Parameter  # (D, 1904)
    image_bias: nn.Parameter
    text_weight: nn.Parameter  # (D, 384)
    text_bias: nn.Parameter

    def __init__(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        super().__init__()
        self.image_inputs = ProjectionInput("image_weight", "image_bias")
        try:
            for side in ("image", "text"):
                for kind in ("weight", "bias"):
                    tensor = nn.Parameter(tensors[f"{side}.{kind}"].float())
                    self.register_parameter(f"{side}_{kind}", tensor)
            self.logit_scale = float(tensors["logit_scale"])
        except KeyError as error:
            raise WeightsError(
                f"The projector lacks the tensor {error}. Train it again with "
                "tools/train_projectors.py."
            ) from error

    def image(self, vision: EfficientNetLite0, pixels: Tensor) -> Tensor:
        """Project the pooled last stages and the head together."""
        features = self.image_inputs(stage_features(vision, pixels))
        return F.linear(features, self.image_weight, self.image_bias)

    def text(self, vectors: Tensor) -> Tensor:
        """Project MiniLM's vectors."""
        return F.linear(vectors, self.text_weight, self.text_bias)


def input_contract(record: ModelRecord) -> InputContract:
    """Return what the image tower takes; the record's settings say how other sizes are fitted."""
    size_px = record.stated("image_size_px")
    return InputContract(
        size_px=(size_px, size_px),
        resize=record.settings.get("resize", "center_crop"),
        mean=MEAN,
        std=STD,
    )


def normalise(pixels: Tensor) -> Tensor:
    """Bring pixels of 0..255 to the range that the image tower was trained with."""
    return (pixels.float() - MEAN[0]) / STD[0]


def stage_features(vision: EfficientNetLite0, pixels: Tensor) -> Tensor:
    """Return (N, 1904): pooled stages 4 to 6 and the head, side by side."""
    return join_stages(vision.pooled_stages(pixels))


def join_stages(pooled: Sequence[Tensor]) -> Tensor:
    """Return (N, 1904) of what ``pooled_stages`` returns."""
    return torch.cat([pooled[stage] for stage in FEATURE_STAGES], dim=1)


def build_conse(record: ModelRecord, device: torch.device) -> EmbeddedEncoder:
    """Build the model for natural images."""
    return EmbeddedEncoder(record, device, ConseJoin, f"conse-top{CONSE_CLASSES}")


def build_projected(record: ModelRecord, device: torch.device) -> EmbeddedEncoder:
    """Build the model of a domain."""
    stages = "+".join(map(str, FEATURE_STAGES))
    return EmbeddedEncoder(record, device, ProjectorJoin, f"mean-stages-{stages}")
