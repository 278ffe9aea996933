"""Which layout belongs to which tower."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torch.nn import functional as F

from fieldguide.models.towers import NormalisedTower
from fieldguide.models.volume_encoder import VolumeEncoder
from fieldguide.tuning.layouts import (
    efficientnet,
    hf_text,
    minilm,
    opaque,
    openclip_image,
    openclip_text,
    resnet,
    timm_convnext,
    timm_vit,
)
from fieldguide.tuning.layouts.layout import Layer, Layout, Stage, Tower
from fieldguide.tuning.layouts.structure import kind_name, refuse
from fieldguide.tuning.layouts.volumes import VolumeLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.models.tunable import Tunable

TIMM = "open_clip.timm_model.TimmModel"
COCA = "open_clip.coca_model.CoCa"
CUSTOM_TEXT = "open_clip.model.CustomTextCLIP"

MakeLayout = Callable[[nn.Module, str], Layout]

VISUALS: Mapping[str, MakeLayout] = {
    openclip_image.VISION_TRANSFORMER: openclip_image.VisionTransformerLayout,
    resnet.RESNET: resnet.ModifiedResNetLayout,
}
TRUNKS: Mapping[str, MakeLayout] = {
    timm_vit.TRUNK: timm_vit.TimmVitLayout,
    timm_convnext.TRUNK: timm_convnext.ConvNextLayout,
}


def image_layout(encoder: Tunable) -> Layout:
    """Return the layout of an encoder's image tower.

    Raises:
        AdapterError: no layout is known for it.
    """
    if isinstance(encoder, VolumeEncoder):
        pictures = image_layout(encoder.pictures)
        return VolumeLayout(pictures, encoder.image_module, encoder.new_parameters)
    network = encoder.network
    if kind_name(network) == efficientnet.EMBEDDED:
        return _After(_normalisation(encoder), efficientnet.EfficientNetLayout(network))
    visual = _open_clip_tower(network, "visual")
    return _After(_normalisation(encoder), _visual_layout(visual, "visual"))


def text_layout(encoder: Tunable) -> Layout:
    """Return the layout of an encoder's text tower.

    Raises:
        AdapterError: no layout is known for it.
    """
    network = encoder.network
    if kind_name(network) == efficientnet.EMBEDDED:
        return minilm.MiniLMLayout(network)
    if kind_name(network) == openclip_text.CLIP:
        return openclip_text.TextTransformerLayout(network, "")
    layout = _text_layout(_open_clip_tower(network, "text"), "text")
    # CoCa's encode_text returns vectors of unit length; its image tower does not
    return _Before(layout, _UnitLength()) if kind_name(network) == COCA else layout


def layout_of(encoder: Tunable, tower: Tower) -> Layout:
    """Return the layout of one tower.

    Raises:
        AdapterError: no layout is known for it.
    """
    return image_layout(encoder) if tower == "image" else text_layout(encoder)


def _open_clip_tower(network: nn.Module, name: str) -> nn.Module:
    if kind_name(network) not in (openclip_text.CLIP, CUSTOM_TEXT, COCA):
        raise refuse("", "an open_clip model or the embedded one", kind_name(network))
    return network.get_submodule(name)


def _visual_layout(visual: nn.Module, path: str) -> Layout:
    kind = kind_name(visual)
    if kind == TIMM:
        trunk = kind_name(cast("nn.Module", visual.trunk))
        if trunk in TRUNKS:
            return TRUNKS[trunk](visual, path)
        return opaque.UnknownTrunkLayout(visual, path, TRUNKS)
    if kind not in VISUALS:
        raise refuse(path, opaque.one_of((*VISUALS, TIMM)), kind)
    return VISUALS[kind](visual, path)


def _text_layout(text: nn.Module, path: str) -> Layout:
    kind = kind_name(text)
    if kind == openclip_text.TEXT_TRANSFORMER:
        return openclip_text.TextTransformerLayout(text, path)
    if kind != hf_text.TEXT_ENCODER:
        raise refuse(
            path, opaque.one_of((openclip_text.TEXT_TRANSFORMER, hf_text.TEXT_ENCODER)), kind
        )
    if kind_name(cast("nn.Module", text.transformer)) in hf_text.FAMILIES:
        return hf_text.BertLayout(text, path)
    return opaque.UnknownTextLayout(text, path, hf_text.FAMILIES)


def _normalisation(encoder: Tunable) -> nn.Module:
    """Return what the image side does with pixels before its network gets them."""
    tower = cast("NormalisedTower", encoder.image_module)  # the embedded one has the same buffers
    normalisation = NormalisedTower(nn.Identity(), [0.0], [1.0])
    normalisation.mean, normalisation.std = tower.mean, tower.std
    return normalisation


@dataclass(frozen=True)
class _After:
    """A layout whose first stage begins with a step that has no parameters."""

    step: nn.Module
    layout: Layout

    def layers(self) -> tuple[Layer, ...]:
        return self.layout.layers()

    def stages(self) -> tuple[Stage, ...]:
        first, *others = self.layout.stages()
        run = nn.Sequential(self.step, first.run)
        return (replace(first, run=run), *others)

    def projection(self) -> tuple[str, ...]:
        return self.layout.projection()


@dataclass(frozen=True)
class _Before:
    """A layout whose last stage ends with a step that has no parameters."""

    layout: Layout
    step: nn.Module

    def layers(self) -> tuple[Layer, ...]:
        return self.layout.layers()

    def stages(self) -> tuple[Stage, ...]:
        *others, last = self.layout.stages()
        run = nn.Sequential(last.run, self.step)
        return (*others, replace(last, run=run))

    def projection(self) -> tuple[str, ...]:
        return self.layout.projection()


class _UnitLength(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        """Return the features with a length of one."""
        return F.normalize(features, dim=-1)
