"""Self-attention made of linear layers, which a LoRA layer can wrap.

``nn.MultiheadAttention`` reads its weights instead of calling modules: a LoRA layer around its
``out_proj`` trains and changes nothing, and around the whole attention has to merge its weights in
every forward, which is slow and not safe under threads. This one calls its layers.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """What ``nn.MultiheadAttention`` computes of one sequence, with its tensors.

    Vaswani et al. 2017, "Attention Is All You Need" (arXiv:1706.03762), section 3.2.

    Attributes:
        in_proj: query, key and value in one linear layer; shares the attention's tensors.
        out_proj: the attention's own layer.
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = attention.num_heads
        self.dropout = attention.dropout
        width = attention.embed_dim
        self.in_proj = nn.Linear(width, 3 * width, bias=False, device="meta")
        self.in_proj.weight = attention.in_proj_weight
        self.in_proj.register_parameter("bias", attention.in_proj_bias)
        self.out_proj = attention.out_proj
        self.train(attention.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Attend from every token to every token.

        Args:
            query: (N, T, W).
            key: the same tensor.
            value: the same tensor.
            need_weights: must be False.
            attn_mask: (T, T) or (N * heads, T, T); added to the logits, or True where a key may
                not be seen.

        Returns:
            (N, T, W), and None for the weights.

        Raises:
            ValueError: it is called for what it does not compute.
        """
        if need_weights or key is not query or value is not query:
            raise ValueError("only self-attention without its weights is computed here")
        batch, length, width = query.shape
        joint = self.in_proj(query).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = joint.permute(2, 0, 3, 1, 4)  # (N, H, T, d) each
        mixed = F.scaled_dot_product_attention(
            q, k, v, self._visible(attn_mask, batch, length), self.dropout if self.training else 0.0
        )
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width)), None

    def _visible(self, mask: Tensor | None, batch: int, length: int) -> Tensor | None:
        """Return the mask as torch's function takes it: True at what may be seen."""
        if mask is None:
            return None
        if mask.ndim == 3:
            mask = mask.view(batch, self.heads, length, length)
        return mask.logical_not() if mask.dtype == torch.bool else mask


def replace_attention(network: nn.Module, path: str) -> None:
    """Put a :class:`SelfAttention` in the place of an attention of a sharing copy."""
    owner, _, name = path.rpartition(".")
    attention = cast("nn.MultiheadAttention", network.get_submodule(path))
    setattr(network.get_submodule(owner), name, SelfAttention(attention))
