"""Contracts of volumes as users write them: windows by name, presets by name, or all spelt out.

    spacing_mm: [1.5, 1.5, 3]
    size: [224, 224, 160]
    windows: [lung, {name: liver, range: [-45, 105]}]
    output: [0, 1]
    dtype: float32

``like: merlin`` begins with a preset; what else is written replaces its entries.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fieldguide.errors import UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import list_faults
from fieldguide_medical.volume_contract import HuWindow, VolumeContract

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "docs/volumes.md shows the form"
_HERE = Path(str(files("fieldguide_medical")))


@functools.cache
def named_windows() -> Mapping[str, HuWindow]:
    """Return the windows of ``windows.yaml`` by name."""
    content = load_yaml(_HERE / "windows.yaml")["windows"]
    return {name: _by_centre(name, given["centre"], given["width"])
            for name, given in content.items()}  # fmt: skip


def presets() -> tuple[str, ...]:
    """Return the names of the contracts that are shipped."""
    return tuple(sorted(path.stem for path in (_HERE / "contracts").glob("*.yaml")))


def preset(name: str) -> VolumeContract:
    """Return a contract that is shipped.

    Raises:
        UsageError: none has this name.
    """
    return volume_contract({"like": name}, f"the contract {name}")


def volume_contract(content: Any, where: str) -> VolumeContract:
    """Return the contract that a user wrote.

    Args:
        content: a preset's name, or a mapping as above.
        where: what it is of, for messages.

    Raises:
        UsageError: it does not fit; every fault is listed.
    """
    given = {"like": content} if isinstance(content, str) else content
    if not isinstance(given, dict):
        raise UsageError(f"{where} is no contract of volumes. {FORM}.")
    own = dict(given)
    like = own.pop("like", None)
    stated = {**({} if like is None else _stated(like, where)), **own}
    stated["windows"] = _windows(stated.get("windows"), where)
    try:
        return VolumeContract.model_validate(stated)
    except ValidationError as error:
        raise UsageError(f"{where} is no contract of volumes: {list_faults(error)}. {FORM}."
                         ) from error  # fmt: skip


def _stated(name: Any, where: str) -> dict[str, Any]:
    if name not in presets():
        raise UsageError(
            f"{where} begins with the contract {name!r}, which there is not. There are: "
            f"{', '.join(presets())}."
        )
    content: dict[str, Any] = load_yaml(_HERE / "contracts" / f"{name}.yaml")
    return {key: value for key, value in content.items() if key != "source"}


def _windows(given: Any, where: str) -> Any:
    """Return windows with names put in place by their ranges; faults are left to the contract."""
    if not isinstance(given, list | tuple):
        return given
    return [_window(each, where) if isinstance(each, str) else each for each in given]


def _window(name: str, where: str) -> HuWindow:
    known = named_windows()
    if name not in known:
        raise UsageError(
            f"{where} names the window {name!r}, which there is not. There are: "
            f"{', '.join(known)}. Or write {{name: {name}, range: [LOW, HIGH]}}."
        )
    return known[name]


def _by_centre(name: str, centre: float, width: float) -> HuWindow:
    return HuWindow(name=name, range=(centre - width / 2, centre + width / 2))
