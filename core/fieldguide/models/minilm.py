"""The all-MiniLM-L6-v2 text encoder in plain torch.

Wang et al. 2020, "MiniLM: Deep Self-Attention Distillation" (arXiv:2002.10957), as tuned by
sentence-transformers: a six-layer BERT whose tokens are averaged. Equal to transformers'
``BertModel`` within float32 rounding, whose import would double the start-up time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WIDTH = 384
HEADS = 12
LAYERS = 6
VOCABULARY = 30522
MAX_POSITIONS = 512
MAX_TOKENS = 256  # the length it was tuned with
NORM_EPS = 1e-12
PADDING = 0  # the number of [PAD]

_RENAMES = (
    (r"^embeddings\.(word|position|token_type)_embeddings\.", r"\1."),
    (r"^embeddings\.LayerNorm\.", "norm."),
    (r"^encoder\.layer\.", "layers."),
    (r"\.attention\.self\.", "."),
    (r"\.attention\.output\.dense\.", ".mix."),
    (r"\.attention\.output\.LayerNorm\.", ".mix_norm."),
    (r"\.intermediate\.dense\.", ".widen."),
    (r"\.output\.dense\.", ".narrow."),
    (r"\.output\.LayerNorm\.", ".narrow_norm."),
)


class BertLayer(nn.Module):
    """Self-attention and a feed-forward step, each followed by a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.mix = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.mix_norm = nn.LayerNorm(WIDTH, eps=NORM_EPS)
        self.widen = nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)
        self.narrow_norm = nn.LayerNorm(WIDTH, eps=NORM_EPS)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (N, T, W) to (N, T, W); mask (N, 1, 1, T) is True at real tokens."""
        batch, length, _ = x.shape
        q, k, v = (
            project(x).view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2)  # (N, H, T, d)
            for project in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.mix_norm(x + self.mix(mixed.transpose(1, 2).reshape(batch, length, WIDTH)))
        y: Tensor = self.narrow_norm(x + self.narrow(F.gelu(self.widen(x))))
        return y


class MiniLM(nn.Module):
    """The transformer without its pooler."""

    def __init__(self) -> None:
        super().__init__()
        self.word = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Embedding(MAX_POSITIONS, WIDTH)
        self.token_type = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=NORM_EPS)
        self.layers = nn.ModuleList(BertLayer() for _ in range(LAYERS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return unit vectors (N, 384): the mean over real tokens.

        Args:
            ids: (N, T) token numbers.
            mask: (N, T), True at real tokens.
        """
        x = self.word(ids) + self.position.weight[: ids.shape[1]] + self.token_type.weight[0]
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :])
        weights = mask[:, :, None].to(x.dtype)
        return F.normalize((x * weights).sum(1) / weights.sum(1).clamp(min=1e-9), dim=1)


class MiniLMTextTower:
    """Tokenizer and transformer; embeds strings in batches of similar length."""

    def __init__(self, weights: Path, tokenizer: Path, device: torch.device) -> None:
        self.device = device
        self.network = MiniLM()
        self.network.load_state_dict(_renamed(load_file(weights)))
        self.network.eval().requires_grad_(False).to(device)
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch_size: int = 64) -> Tensor:
        """Return unit vectors (N, 384) in the order of the texts."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = torch.empty(len(texts), WIDTH)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            ids = self.tokenize([texts[i] for i in rows])
            vectors[rows] = self.network(ids, ids != PADDING).cpu()
        return vectors

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return (N, T) token numbers, ``PADDING`` behind the end of a text."""
        tokens = self.tokenizer.encode_batch(list(texts))
        return torch.tensor([token.ids for token in tokens], device=self.device)


def _renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the published tensors our names; the pooler and position numbers are not used."""
    renamed = {}
    for name, tensor in weights.items():
        if name.startswith("pooler.") or name.endswith("position_ids"):
            continue
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed
