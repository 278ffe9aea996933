"""A model of colours with more bands: its first convolution widened, all else shared with it.

"Beyond the Visible: Multispectral Vision-Language Learning for Earth Observation" (2025,
arXiv:2503.15969): the pretrained kernels of red, green and blue are kept, those of all other bands
begin at zero. Until it is tuned the widened model gives the vectors of the model it was made from,
whatever the other bands hold.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from fieldguide.errors import UsageError
from fieldguide.models.band_kernels import by_name, by_wavelength
from fieldguide.models.recipes import base_encoder
from fieldguide.models.tunable import Widenable, sharing_copy
from fieldguide.models.widening import Widening, parse_widening
from fieldguide.plugins import get_catalog
from fieldguide.samples import RGB

if TYPE_CHECKING:
    from fieldguide.contract import InputContract
    from fieldguide.models.embeddings import Encoder
    from fieldguide.registry import ModelRecord


def build_widened(record: ModelRecord, device: torch.device) -> Widenable:
    """Build the model that a record widens, and widen it.

    Raises:
        UsageError: the settings describe no such model, or its base cannot be widened.
        UnknownNameError: the base is not here.
        WeightsError: the base's weights are missing or changed, or were switched off.
    """
    registry = get_catalog().registry
    told = parse_widening(record.settings, f"The record {record.name!r}")
    widening = told.resolved(lambda name: registry.model(name).settings)
    base, name = base_encoder(record, device)
    return widen(base, widening, name)


def widen(encoder: Encoder, widening: Widening, name: str) -> Widenable:
    """Return a model that takes more bands and shares all tensors but the first kernels.

    Args:
        encoder: of red, green and blue; it stays as it is.
        widening: the bands, :meth:`~fieldguide.models.widening.Widening.resolved`.
        name: of the widened model, as a user can name it again.

    Raises:
        UsageError: the model does not offer its towers, or takes other bands already.
    """
    base = _widenable(encoder)
    network = sharing_copy(base.network)
    convolution = _convolution(network, base)
    kernels = _kernels(convolution.weight.detach(), widening)
    replace_kernels(convolution, kernels)
    other = base.with_network(
        network, contract=widening.contract(cast("InputContract", base.contract))
    )
    identity = f"{base.space.encoder};{base.first_convolution};{widening.initialisation()}"
    digest = hashlib.sha256(f"widened;{identity}".encode()).hexdigest()
    other.space = other.space.model_copy(update={"model": name, "encoder": digest})
    other.new_parameters = (f"{base.first_convolution}.weight",)
    return other


def replace_kernels(convolution: nn.Conv2d, kernels: Tensor) -> None:
    """Give a convolution kernels for another number of bands; the old tensor is not written.

    Args:
        convolution: of one group.
        kernels: (O, C, H, W); they take over how the old ones lie in memory.
    """
    if convolution.weight.is_contiguous(memory_format=torch.channels_last):
        kernels = kernels.contiguous(memory_format=torch.channels_last)
    convolution.in_channels = kernels.shape[1]
    convolution._parameters["weight"] = nn.Parameter(kernels, requires_grad=False)


def _kernels(trained: Tensor, widening: Widening) -> Tensor:
    bands = widening.told_bands
    if widening.base_wavelengths_nm is None:
        return by_name(trained, [band.name for band in bands])
    wavelengths_nm = [cast("float", band.wavelength_nm) for band in bands]
    return by_wavelength(trained, widening.base_wavelengths_nm, wavelengths_nm)


def _widenable(encoder: Encoder) -> Widenable:
    if not isinstance(encoder, Widenable):
        raise UsageError(
            f"The model {encoder.space.model} cannot take more bands: it does not offer its "
            "towers. Name an open_clip or embedded model as the base."
        )
    if (
        encoder.contract.bands != RGB
        or encoder.contract.spatial_dims != 2
        or encoder.space.adapter is not None
    ):
        raise UsageError(
            f"The model {encoder.space} takes {', '.join(encoder.contract.bands)} and cannot be "
            "widened again. Name the model of red, green and blue that it was made from."
        )
    return encoder


def _convolution(network: nn.Module, base: Widenable) -> nn.Conv2d:
    path = base.first_convolution
    found = network.get_submodule(path) if path else None
    if not isinstance(found, nn.Conv2d) or found.groups != 1 or found.in_channels != len(RGB):
        raise UsageError(
            f"The model {base.space.model} cannot take more bands: its pixels do not enter by one "
            f"convolution of three channels ({path or 'no place is stated'}). Name another base: "
            "ViT, ResNet and ConvNeXt towers of open_clip and the embedded model can."
        )
    return found
