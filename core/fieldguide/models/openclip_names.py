"""What a user may write for an open_clip model: from a name to a record, without reading weights.

============================  ==================================================================
``hf-hub:org/name``           a repository of the hub; ``@revision`` names a state of it
``folder/``                   as a hub repository, on disk
``folder/weights.pt``         those weights, with the folder's open_clip_config.json
``ViT-B-32:weights.pt``       weights alone, with the architecture named
``ViT-B-32:laion2b_s34b_b79k``  one of open_clip's own checkpoints, downloaded
============================  ==================================================================
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.errors import AmbiguousNameError, UnknownNameError, UsageError
from fieldguide.registry import HubFile, LocalFile, ModelRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldguide.registry import Registry

LOCAL = "local_model"
"""Name of the record of a model that is in no registry."""
ANY = "any"
OPEN_CLIP_CONFIG = "open_clip_config.json"
HF_CONFIG = "config.json"
HUB_PREFIX = "hf-hub:"
HUB_PREFIXES = (HUB_PREFIX, "hf://")
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_HUB_NAME = re.compile(r"(?P<hub>[\w][\w.-]*/[\w][\w.-]*)(@(?P<revision>[\w][\w./-]*))?")


@functools.cache
def architectures() -> dict[str, Path]:
    """Return the configurations that open_clip ships, by name; open_clip is not imported."""
    found = find_spec("open_clip")
    places = [] if found is None else found.submodule_search_locations or []
    paths = [path for place in places for path in Path(place).glob("model_configs/*.json")]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def architecture_config(name: str) -> dict[str, Any]:
    """Return open_clip's configuration of an architecture, or raise UnknownNameError."""
    if name not in architectures():
        raise UnknownNameError(
            f"open_clip has no architecture {name!r}.{near_names(name, architectures())}"
        )
    content: dict[str, Any] = json.loads(architectures()[name].read_text("utf-8"))
    return content


def unregistered_model(name: str, registry: Registry) -> ModelRecord:
    """Return the record of a model that the registry does not name.

    Raises:
        UnknownNameError: the name is none of the forms above, or names nothing.
        AmbiguousNameError: several registered models lie in the hub repository.
        UsageError: a folder or file from which no model can be made.
    """
    if name.startswith(HUB_PREFIXES):
        return _hub_model(name, registry)
    if name.startswith(("http://", "https://")):
        raise UsageError(f"{name} is an address. Write hf-hub:ORG/NAME, or name a local folder.")
    if split := split_architecture(name):
        return _architecture_model(*split)
    path = Path(name).expanduser()
    if path.is_dir() and (_is_model_folder(path) or _looks_like_path(name)):
        return _folder_model(path)
    if path.is_file():
        return _file_model(path)
    raise _unknown(name, path, registry)


def lasting_path(name: str) -> str:
    """Return a name as a store can keep it: its folder or file as an absolute path."""
    if name.startswith(HUB_PREFIXES):
        return name
    if split := split_architecture(name):
        architecture, rest = split
        path = Path(rest).expanduser()
        return f"{architecture}:{path.resolve()}" if path.is_file() else f"{architecture}:{rest}"
    path = Path(name).expanduser()
    is_model = path.is_file() or _is_model_folder(path)
    return str(path.resolve()) if is_model else name


def split_architecture(name: str) -> tuple[str, str] | None:
    """Split ``ARCHITECTURE:REST``; None when the first part is no architecture of open_clip."""
    first, colon, rest = name.partition(":")
    architecture = first.replace("/", "-")  # ViT-B/32, as papers write it
    return (architecture, rest) if colon and rest and architecture in architectures() else None


def _hub_model(name: str, registry: Registry) -> ModelRecord:
    given = name.removeprefix(HUB_PREFIXES[0]).removeprefix(HUB_PREFIXES[1])
    parts = _HUB_NAME.fullmatch(given)
    if parts is None or ".." in given:
        raise UsageError(
            f"{name} is no name on the hub. Write hf-hub:ORG/NAME, or ORG/NAME@REVISION."
        )
    known = [record for record in registry.models if parts["hub"] in _hubs(record)]
    if len(known) > 1:
        names = ", ".join(record.name for record in known)
        raise AmbiguousNameError(f"{name} holds several models: {names}. Name one: --model NAME")
    revision = parts["revision"]
    if known:
        record = known[0]
        stated = {} if revision is None else {"revision": revision}
        return record.model_copy(update={"settings": record.settings | stated})
    settings = {"hub": parts["hub"]} | ({"revision": revision} if revision else {})
    return _record(f"open_clip model {given} of the hub", settings)


def _hubs(record: ModelRecord) -> set[str]:
    stated = record.settings.get("hub")
    files = {file.hub for file in record.files.values() if isinstance(file, HubFile)}
    return files if stated is None else {*files, str(stated)}


def _architecture_model(architecture: str, rest: str) -> ModelRecord:
    path = Path(rest).expanduser()
    settings = {"architecture": architecture}
    if path.is_file():
        weights = LocalFile(file=str(path.resolve()))
        return _record(f"{architecture} with the weights {path.name}", settings, weights)
    if path.is_dir():
        raise UsageError(
            f"{rest} is a folder. Name the file of the weights in it: {architecture}:FILE"
        )
    if _looks_like_path(rest) or path.suffix in WEIGHT_SUFFIXES:
        raise UnknownNameError(f"There is no file {rest}. Correct the path: {architecture}:FILE")
    return _record(f"{architecture} {rest} of open_clip", settings | {"pretrained": rest})


def _folder_model(folder: Path) -> ModelRecord:
    if _is_model_folder(folder):
        return _record(f"open_clip model in {folder}", {"folder": str(folder.resolve())})
    raise UsageError(
        f"{folder} has no {OPEN_CLIP_CONFIG}. Name a folder as open_clip saves it for a hub, or "
        "the weights' file with its architecture: ARCHITECTURE:FILE"
    )


def _file_model(path: Path) -> ModelRecord:
    if path.suffix.lower() not in WEIGHT_SUFFIXES:
        raise UsageError(
            f"{path} is no file of weights: it must end in {', '.join(WEIGHT_SUFFIXES)}."
        )
    has_config = _is_model_folder(path.parent)
    settings = {"folder": str(path.parent.resolve())} if has_config else {}
    return _record(f"open_clip weights {path}", settings, LocalFile(file=str(path.resolve())))


def _record(
    summary: str, settings: dict[str, Any], weights: LocalFile | None = None
) -> ModelRecord:
    return ModelRecord(
        name=LOCAL,
        summary=summary,
        architecture="open_clip",
        scope=(ANY,),
        licence="LicenseRef-unknown",
        files={} if weights is None else {"weights": weights},
        settings=settings,
    )


def _unknown(name: str, path: Path, registry: Registry) -> UnknownNameError:
    first, colon, _ = name.partition(":")
    if colon and not _looks_like_path(first):
        return UnknownNameError(
            f"{first!r} is no architecture of open_clip.{near_names(first, architectures())}"
        )
    if _looks_like_path(name) or path.suffix.lower() in WEIGHT_SUFFIXES:
        hub = f" For the hub write {HUB_PREFIX}{name}." if _HUB_NAME.fullmatch(name) else ""
        return UnknownNameError(f"There is no folder or file {name}. Correct the path.{hub}")
    if name in architectures():
        return UnknownNameError(
            f"{name} is an architecture without weights. Name a file, {name}:FILE, or a checkpoint "
            f"of open_clip's, {name}:TAG."
        )
    known = [record.name for record in registry.models]
    if path.is_dir():
        hint = f" The folder of that name has no {OPEN_CLIP_CONFIG}."
    else:
        hint = near_names(name, [*known, *architectures()])
    return UnknownNameError(
        f"No model is named {name!r}.{hint} There are: {', '.join(known)}; or name a folder "
        f"(./FOLDER), hf-hub:ORG/NAME, or ARCHITECTURE:FILE.\nRun 'fieldguide models'."
    )


def _is_model_folder(folder: Path) -> bool:
    """Return whether a folder holds a model of open_clip, or one of transformers' CLIPModel."""
    if (folder / OPEN_CLIP_CONFIG).is_file():
        return True
    try:
        stated = json.loads((folder / HF_CONFIG).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(stated, dict) and stated.get("model_type") == "clip"


def _looks_like_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.startswith(("~", "."))


def near_names(name: str, known: Sequence[str] | dict[str, Path]) -> str:
    """Return a sentence with the nearest known names, after a blank; empty when none is near."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f" Did you mean {', '.join(close)}?" if close else ""
