"""Which device computes."""

from __future__ import annotations

import torch

from fieldguide.errors import UsageError


def choose_device(name: str | None) -> torch.device:
    """Return the named device, or the best one there is.

    Raises:
        UsageError: there is no such device.
    """
    if name in (None, "auto"):
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(str(name))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"The device {name!r} cannot be used: {str(error).splitlines()[0]}. Try --device cpu."
        ) from error
    return device
