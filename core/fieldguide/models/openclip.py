"""Any open_clip model from a local folder, as open_clip saves it for a hub.

The folder has ``open_clip_config.json``, ``open_clip_model.safetensors`` and the tokenizer's
files. Weights are read as safetensors only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip
import torch
from torch import Tensor

from fieldguide.contract import InputContract
from fieldguide.errors import WeightsError
from fieldguide.models.embeddings import Embeddings, SpaceId, unit_length
from fieldguide.models.weights import file_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.registry import ModelRecord

WEIGHTS = "open_clip_model.safetensors"
_RESIZE = {"shortest": "center_crop", "longest": "pad", "squash": "squash"}
TEXT_BATCH = 64


class OpenClipEncoder:
    """An open_clip model with its own tokenizer and preprocessing."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        if not (folder / WEIGHTS).is_file():
            raise WeightsError(
                f"{folder} has no {WEIGHTS}. Save the model with safetensors: "
                "open_clip.push_to_hf_hub or safetensors.torch.save_file."
            )
        self.device = device
        schema = f"local-dir:{folder}"
        try:
            self.model: Any = open_clip.create_model(schema, device=device).eval()
            self.tokenizer: Any = open_clip.get_tokenizer(schema)
        except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
            raise WeightsError(
                f"{folder} cannot be loaded as an open_clip model: {error}. Save it again with the "
                "open_clip version that made it."
            ) from error
        self.model.requires_grad_(False)
        self.contract = _contract(self.model.visual.preprocess_cfg)
        self.logit_scale = float(self.model.logit_scale.exp())
        self._mean, self._std = (
            torch.tensor(values, device=device).view(1, 3, 1, 1)
            for values in (self.contract.mean, self.contract.std)
        )
        self.space = SpaceId(
            model=str(folder),
            encoder=_digest(folder),
            contract=self.contract.digest,
            pooling="open_clip",
            dim=self._text_vectors(["a"]).shape[1],
        )

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Embeddings:
        """Embed (N, 3, H, W) pixels of 0..255."""
        normalised = (pixels.to(self.device, torch.float32) - self._mean) / self._std
        vectors = self.model.encode_image(normalised)
        return Embeddings(unit_length(vectors.float().cpu().numpy()), self.space)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts in their order."""
        return Embeddings(unit_length(self._text_vectors(texts).numpy()), self.space)

    @torch.inference_mode()
    def _text_vectors(self, texts: Sequence[str]) -> Tensor:
        batches = [texts[start : start + TEXT_BATCH] for start in range(0, len(texts), TEXT_BATCH)]
        vectors = [
            self.model.encode_text(self.tokenizer(list(batch)).to(self.device)).float().cpu()
            for batch in batches
        ]
        return torch.cat(vectors)


def _contract(preprocess: dict[str, Any]) -> InputContract:
    """Return open_clip's preprocessing as a contract, in 0..255 units."""
    size = preprocess["size"]
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    return InputContract(
        size_px=(height, width),
        resize=_RESIZE[preprocess.get("resize_mode", "shortest")],
        interpolation=preprocess.get("interpolation", "bicubic"),
        mean=tuple(255 * value for value in preprocess["mean"]),
        std=tuple(255 * value for value in preprocess["std"]),
    )


def _digest(folder: Path) -> str:
    """Return one SHA-256 for every file that changes a vector: weights, config, tokenizer."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.is_file() and path.suffix in (".safetensors", ".json", ".txt", ".model"):
            total.update(f"{path.name}={file_digest(path)};".encode())
    return total.hexdigest()


def build_open_clip(record: ModelRecord, device: torch.device) -> OpenClipEncoder:
    """Build the model of a folder named in the record's settings."""
    folder = record.settings.get("folder")
    if folder is None:
        raise WeightsError(
            f"The record {record.name!r} needs 'settings: {{folder: ...}}'. Edit your registry."
        )
    return OpenClipEncoder(Path(record.origin) / Path(folder).expanduser(), device)
