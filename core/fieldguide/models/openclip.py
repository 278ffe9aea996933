"""Any open_clip model: its own towers, tokenizer and preprocessing.

Vectors equal ``model.encode_image(preprocess(image))`` and ``model.encode_text(tokenizer(text))``
of open_clip, at unit length. A logit bias, as SigLIP has, is not used: a softmax over labels does
not change when the same number is added to every logit.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from fieldguide.errors import WeightsError
from fieldguide.models.digests import remembered
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.models.openclip_build import first_convolution, load_network
from fieldguide.models.openclip_contract import open_clip_contract
from fieldguide.models.openclip_files import Checkpoint, find_checkpoint
from fieldguide.models.openclip_texts import TextFiles, find_text_files, make_tokenizer
from fieldguide.models.state_dicts import read_state_dict, tensors_digest
from fieldguide.models.towers import EagerTower, ImageTower, NormalisedTower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.contract import InputContract
    from fieldguide.registry import ModelRecord

TEXT_BATCH = 64


class OpenClipEncoder:
    """An open_clip model with its own tokenizer and preprocessing.

    Attributes:
        network: open_clip's model; it can be tuned, see ``models.tunable``.
        image_module: from (N, C, H, W) uint8 pixels to (N, D) features, on ``device``.
        image_tower: what ``encode_images`` calls; at first the module itself in float32.
        text_module: from (N, T) token numbers to (N, D) features, on ``device``.
        checkpoint: the files it was made from.
        texts: those of the text side.
        new_parameters: see ``models.tunable.HasNewParameters``.
    """

    network: Any
    image_module: nn.Module
    image_tower: ImageTower
    text_module: nn.Module
    new_parameters: tuple[str, ...] = ()

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self.device = device
        self.checkpoint = checkpoint
        config = checkpoint.config
        self.texts = texts = find_text_files(config, checkpoint.folder)
        network, weights = _load(checkpoint, texts, device)
        self.tokenizer = make_tokenizer(config, texts)
        self._tokenizing = threading.Lock()  # fast tokenizers cannot be set up from two threads
        self.contract = open_clip_contract(config, network.visual.image_size)
        self.logit_scale = float(network.logit_scale.exp())
        self._use(network)
        self.space = SpaceId(
            model=checkpoint.name,
            encoder=_digest(checkpoint, weights, texts),
            contract=self.contract.digest,
            pooling="open_clip",
            dim=int(config.model["embed_dim"]),
        )
        self._check_text_side(checkpoint)

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
        other._use(network)
        fields = {"adapter": adapter, "contract": other.contract.digest}
        other.space = self.space.model_copy(update=fields)
        other.logit_scale = self.logit_scale if logit_scale is None else logit_scale
        return other

    def _use(self, network: Any) -> None:
        self.network = network
        image = FirstOutput(network.visual)
        tower = NormalisedTower(image, self.contract.mean, self.contract.std)
        self.image_module = tower.to(self.device).eval()
        self.image_tower = EagerTower(self.image_module, self.device)
        self.text_module = TextSide(network).eval()

    @property
    def first_convolution(self) -> str:
        """Path of the module in ``network`` that the pixels enter."""
        return first_convolution(self.network)

    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed (N, C, H, W) pixels of 0..255."""
        vectors = self.image_tower(pixels)
        return Embeddings(unit_length(vectors.numpy()), self.space)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts in their order."""
        return Embeddings(unit_length(self._text_vectors(texts).numpy()), self.space)

    @torch.inference_mode()
    def _text_vectors(self, texts: Sequence[str]) -> Tensor:
        batches = [texts[start : start + TEXT_BATCH] for start in range(0, len(texts), TEXT_BATCH)]
        vectors = [self.text_module(self.tokenize(batch)).float().cpu() for batch in batches]
        return torch.cat(vectors) if vectors else torch.zeros(0, self.space.dim)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return (N, context length) int64 on ``device``.

        Raises:
            WeightsError: a number is none that the text tower knows.
        """
        with self._tokenizing:
            tokens: Tensor = self.tokenizer(list(texts))
        known = int(getattr(self.network, "vocab_size", 0) or self.network.text.vocab_size)
        if known and int(tokens.max()) >= known:
            raise WeightsError(
                f"The tokenizer of {self.space.model} gives the number {int(tokens.max())}, and "
                f"its text tower knows {known} words. They belong to different models: put the "
                "tokenizer files of this model beside its weights."
            )
        return tokens.to(self.device)

    def _check_text_side(self, checkpoint: Checkpoint) -> None:
        """Embed one word, so that what does not belong together shows before the first image."""
        try:
            width = self._text_vectors(["a"]).shape[1]
        except WeightsError:
            raise
        except Exception as error:
            # tokenizer and tower come from different places; what fails first depends on both
            raise WeightsError(
                f"The tokenizer and the text tower of {checkpoint.name} do not work together: "
                f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]} Put the "
                "tokenizer files of this model beside its weights."
            ) from error
        if width != self.space.dim:
            raise WeightsError(
                f"{checkpoint.config.where} states embed_dim {self.space.dim}, and the text tower "
                f"gives {width}. Correct the configuration."
            )


def _load(checkpoint: Checkpoint, texts: TextFiles, device: torch.device) -> tuple[Any, str]:
    """Return the network on its device and the digest of its weights; the file's copy is freed."""
    path = checkpoint.weights
    tensors = read_state_dict(path)
    named = checkpoint.tensors_for_network(tensors)
    network = load_network(checkpoint.config, named, texts.tower, path)
    return network.to(device), remembered("tensors", path, lambda: tensors_digest(tensors))


class FirstOutput(nn.Module):
    """An image tower that returns its vector alone; CoCa's returns tokens beside it."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) normalised floats to (N, D)."""
        features = self.visual(images)
        vectors: Tensor = features[0] if isinstance(features, tuple) else features
        return vectors


class TextSide(nn.Module):
    """The text tower of an open_clip model as a module of its own."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T) token numbers to (N, D)."""
        vectors: Tensor = self.network.encode_text(tokens)
        return vectors


def _digest(checkpoint: Checkpoint, weights: str, texts: TextFiles) -> str:
    """Return one SHA-256 for all that changes a vector, wherever the files lie."""
    total = hashlib.sha256(b"open_clip")
    for part in (checkpoint.config.canonical(), weights, texts.digest()):
        total.update(f"{part};".encode())
    return total.hexdigest()


def build_open_clip(record: ModelRecord, device: torch.device) -> OpenClipEncoder:
    """Build the model that a record names; see ``fieldguide.models.openclip_files``."""
    return OpenClipEncoder(find_checkpoint(record), device)
