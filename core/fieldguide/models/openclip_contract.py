"""open_clip's preprocessing as an InputContract (``open_clip.transform``, release 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import open_clip

from fieldguide.contract import InputContract
from fieldguide.errors import WeightsError

if TYPE_CHECKING:
    from fieldguide.models.openclip_config import OpenClipConfig

KEYS = {"size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"}
RESIZE: dict[str, Literal["squash", "center_crop", "pad"]] = {
    "shortest": "center_crop",
    "longest": "pad",
    "squash": "squash",
}
# open_clip takes bicubic for "random" at inference
INTERPOLATION: dict[str, Literal["bicubic", "bilinear"]] = {
    "bicubic": "bicubic",
    "bilinear": "bilinear",
    "random": "bicubic",
}
CHANNELS = 3


def open_clip_contract(config: OpenClipConfig, image_size: Any) -> InputContract:
    """Return what the image tower takes, in 0..255 units.

    Args:
        config: whose ``preprocess`` states what differs from open_clip's defaults.
        image_size: the tower's own, in px; as in open_clip it counts, not the stated size.

    Raises:
        WeightsError: a key is not known, or a value is none that open_clip takes.
    """
    stated = {key: value for key, value in config.preprocess.items() if value is not None}
    if unknown := set(stated) - KEYS:
        raise _fault(config, f"preprocess_cfg has {', '.join(sorted(unknown))}, which is not known")
    if stated.get("mode", "RGB") != "RGB":
        raise _fault(config, f"the mode {stated['mode']!r} is not RGB")
    height, width = _pair(image_size)
    resize = _choice(config, "resize_mode", RESIZE, stated.get("resize_mode") or "shortest")
    interpolation = _choice(
        config, "interpolation", INTERPOLATION, stated.get("interpolation") or "bicubic"
    )
    if resize == "center_crop" and height != width:
        interpolation = "bicubic"  # open_clip does not pass the stated one on in this case
    return InputContract(
        size_px=(height, width),
        resize=resize,
        interpolation=interpolation,
        fill=_fill(config, stated.get("fill_color", 0)) if resize == "pad" else None,
        mean=_channels(config, "mean", stated.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        std=_channels(config, "std", stated.get("std") or open_clip.OPENAI_DATASET_STD),
    )


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    values = tuple(int(value) for value in size)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _choice(config: OpenClipConfig, key: str, known: dict[str, Any], value: Any) -> Any:
    if value not in known:
        raise _fault(config, f"{key} {value!r} is none of {', '.join(known)}")
    return known[value]


def _channels(config: OpenClipConfig, key: str, values: Any) -> tuple[float, ...]:
    if isinstance(values, int | float):
        values = (values,) * CHANNELS
    is_number = all(isinstance(value, int | float) for value in values)
    if not is_number or len(values) != CHANNELS or (key == "std" and min(values) <= 0):
        raise _fault(config, f"{key} {values!r} is not {CHANNELS} numbers, of std above 0")
    return tuple(255 * float(value) for value in values)


def _fill(config: OpenClipConfig, value: Any) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * CHANNELS
    if len(values) != CHANNELS or not all(isinstance(v, int) and 0 <= v <= 255 for v in values):
        raise _fault(config, f"fill_color {value!r} is no color of 0..255")
    return values


def _fault(config: OpenClipConfig, what: str) -> WeightsError:
    return WeightsError(f"{config.where} cannot be used: {what}. Correct preprocess_cfg.")
