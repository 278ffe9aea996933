"""Reads the tensors of a checkpoint as data: nothing in the file is ever run.

``.safetensors`` holds tensors only. ``.pt``, ``.pth`` and ``.bin`` are pickles, which can run any
code when they are read; they go through torch's restricted reader (``weights_only=True``), which
knows tensors and plain containers, and nothing else is tried when that one refuses. That reader
could itself be made to run code before torch 2.6 (CVE-2025-32434), hence our lower bound on torch.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fieldguide.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SAFETENSORS = ".safetensors"
PICKLES = (".pt", ".pth", ".bin")
WEIGHT_SUFFIXES = (SAFETENSORS, *PICKLES)
PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and of torch.compile
MAX_EXPANSION = 4
"""Tied tensors may be saved once and named twice; more than this is a bomb."""
CONVERT = (
    "Where you trust the file, convert it to safetensors with the software that wrote it "
    "(safetensors.torch.save_file) and use that"
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, on the CPU.

    A training checkpoint of open_clip (``{"epoch": ..., "state_dict": ...}``) is unwrapped, and a
    prefix that all names share from data-parallel training or compilation is removed.

    Raises:
        WeightsError: the file cannot be read, is damaged, would run code, or holds no tensors.
    """
    if path.suffix.lower() == SAFETENSORS:
        content: Any = _read_safetensors(path)
    else:
        content = _read_pickle(path)
    tensors = _tensors(content, path)
    _check_size(tensors, path)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def tensors_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return one SHA-256 for names, types, shapes and values, whatever file they came in."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        if tensor.numel():
            total.update(tensor.flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path, device="cpu")
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is no complete safetensors file ({error}). It was cut or damaged: copy or "
            "download it again."
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _read_pickle(path: Path) -> Any:
    _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:
        # what a hostile or damaged pickle raises inside the restricted reader can be anything
        raise _refused(path, error) from error


def _check_archive(path: Path) -> None:
    """Refuse archives that hold code, or that grow when they are unpacked."""
    try:
        if not zipfile.is_zipfile(path):
            return  # a pickle as torch wrote it before 1.6
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _unreadable(path, error) from error
    names = [member.filename for member in members]
    if any("/code/" in name or name.endswith("constants.pkl") for name in names):
        raise WeightsError(
            f"{path} is a TorchScript program (OpenAI published CLIP so), and programs are not "
            "run here. Use the same weights as safetensors: for OpenAI's models the name "
            "ARCHITECTURE:openai, such as ViT-B-32-quickgelu:openai, fetches them. For another "
            "program, save its state_dict() as safetensors on a machine where you trust it."
        )
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise WeightsError(
            f"{path} is a compressed archive, which torch.save does not write. Unpack it, or save "
            "the model again."
        )


def _refused(path: Path, error: Exception) -> WeightsError:
    text = str(error)
    named = re.search(r"GLOBAL ([\w.]+)|[Uu]nsupported (?:global|class) ([\w.]+)", text)
    if "weights_only" in text.lower() or "Unpickler" in text or named:
        what = f" ({named[1] or named[2]})" if named else ""
        return WeightsError(
            f"{path} is refused: it holds more than tensors{what}, and reading that could run "
            f"code. {CONVERT}."
        )
    return WeightsError(
        f"{path} is no readable checkpoint: {type(error).__name__}: {_first_line(error)}. It was "
        "cut or damaged, or is another kind of file: copy or download it again."
    )


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise WeightsError(
            f"{path} holds no named tensors. Save model.state_dict(), or a checkpoint of "
            "open_clip's training."
        )
    for name, value in content.items():
        if not isinstance(name, str) or not _is_plain(value):
            shown = ", ".join(map(str, list(content)[:5]))
            raise WeightsError(
                f"{path}: the entry {str(name)[:80]!r} is not a plain tensor (entries: {shown}). "
                "Save model.state_dict() alone, or under the key 'state_dict'."
            )
    return content


def _is_plain(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


def _check_size(tensors: dict[str, Tensor], path: Path) -> None:
    """Refuse a small file whose tensors claim to be huge, by strides of zero."""
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if claimed > MAX_EXPANSION * path.stat().st_size:
        raise WeightsError(
            f"{path} claims {claimed:,} bytes of tensors in a file of {path.stat().st_size:,}. It "
            "is damaged or hostile; get it again from its source."
        )


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{path} cannot be read: {_first_line(error)}. Copy or download it again.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
