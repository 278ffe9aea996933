"""First kernels for more bands than a model was trained on.

Two ways, each a function of the trained kernels alone:

* :func:`by_name`: red, green and blue keep their kernels and every other band begins at zero, so
  that nothing changes until it is trained.
* :func:`by_wavelength`: for a sensor whose bands lie elsewhere, the trained kernels are handed to
  the bands beside them.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldguide.errors import UsageError
from fieldguide.samples import RGB

if TYPE_CHECKING:
    from collections.abc import Sequence


def by_name(kernels: Tensor, bands: Sequence[str]) -> Tensor:
    """Put trained RGB kernels where the bands have these names; all others are zero.

    "Beyond the Visible: Multispectral Vision-Language Learning for Earth Observation" (2025,
    arXiv:2503.15969), whose released code does so for bands that begin with blue, green and red.

    Args:
        kernels: (O, 3, H, W), of red, green and blue.
        bands: names of the C bands, in any order.

    Returns:
        (O, C, H, W).

    Raises:
        UsageError: the kernels are not of three bands, or a colour is missing.
    """
    if kernels.shape[1] != len(RGB):
        raise UsageError(
            f"The first convolution takes {kernels.shape[1]} bands, and only one of red, green and "
            "blue can be widened. Name the base model that it was made from."
        )
    if absent := [colour for colour in RGB if colour not in bands]:
        raise UsageError(
            f"The bands {', '.join(bands)} lack {', '.join(absent)}, whose kernels the model has. "
            "Name them, or say the wavelengths of the base: base_wavelengths_nm."
        )
    wide = kernels.new_zeros((kernels.shape[0], len(bands), *kernels.shape[2:]))
    for place, colour in enumerate(RGB):
        wide[:, bands.index(colour)] = kernels[:, place]
    return wide


def by_wavelength(kernels: Tensor, known_nm: Sequence[float], new_nm: Sequence[float]) -> Tensor:
    """Hand the kernels of known bands to new bands by centre wavelength, linearly.

    What a known band would have seen is estimated from the new sensor by linear interpolation: for
    the known wavelength k between the neighbouring new ones l and r,

        x(k) = (1 - t) x(l) + t x(r),    t = (k - l) / (r - l),

    and beyond the first and last new band it is that band's. A convolution is linear, so the new
    kernel of a band is the sum of the known kernels near it times these shares. The shares of each
    known band add up to one: a grey surface gets the same response as before, and bands at known
    wavelengths get exactly their kernels. New bands beside no known one begin at zero.

    That first kernels should follow from the centre wavelength is the idea of DOFA (Xiong et al.
    2024, "Neural Plasticity-Inspired Multimodal Foundation Model for Earth Observation",
    arXiv:2403.15356), which trains a network to make them; that the sum of responses is kept, of
    inflated kernels (Carreira and Zisserman 2017, arXiv:1705.07750, section 2.4). This is the form
    that needs no training.

    Args:
        kernels: (O, K, H, W), of the known bands.
        known_nm: K centre wavelengths in nanometres.
        new_nm: N centre wavelengths in nanometres, in any order.

    Returns:
        (O, N, H, W).

    Raises:
        UsageError: a wavelength is missing, not a positive number, or given twice.
    """
    if len(known_nm) != kernels.shape[1]:
        raise UsageError(
            f"{kernels.shape[1]} kernels have {len(known_nm)} wavelengths. Say one for each band."
        )
    for wavelengths in (known_nm, new_nm):
        _check(wavelengths)
    shares = torch.tensor(
        [_shares(known, new_nm) for known in known_nm], dtype=torch.float64
    )  # (K, N)
    wide = torch.einsum("okhw,kn->onhw", kernels.double(), shares.to(kernels.device))
    return wide.to(kernels.dtype)


def _shares(known_nm: float, new_nm: Sequence[float]) -> list[float]:
    """Return how much of a known band each new band takes; the sum is one."""
    order = sorted(range(len(new_nm)), key=lambda place: new_nm[place])
    shares = [0.0] * len(new_nm)
    first, last = order[0], order[-1]
    if known_nm <= new_nm[first]:
        shares[first] = 1.0
        return shares
    for left, right in itertools.pairwise(order):
        if known_nm <= new_nm[right]:
            t = (known_nm - new_nm[left]) / (new_nm[right] - new_nm[left])
            shares[left], shares[right] = 1 - t, t
            return shares
    shares[last] = 1.0
    return shares


def _check(wavelengths_nm: Sequence[float]) -> None:
    ordered = sorted(wavelengths_nm)
    if not ordered or not all(math.isfinite(each) and each > 0 for each in ordered):
        raise UsageError(
            f"{list(wavelengths_nm)} are not all wavelengths in nanometres, above 0. Correct them."
        )
    if doubled := [one for one, other in itertools.pairwise(ordered) if one == other]:
        raise UsageError(
            f"Two bands have the wavelength {doubled[0]:g} nm, so their shares are not known. "
            "Leave one of them out."
        )
