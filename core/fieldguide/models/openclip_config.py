"""What an open_clip_config.json may say, checked before anything is built from it."""

from __future__ import annotations

import json
import math
import re
from copy import deepcopy
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

import open_clip
import timm
from open_clip.coca_model import MultimodalCfg
from open_clip.model import CLIPTextCfg, CLIPVisionCfg

from fieldguide.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CONFIG_NAME = "open_clip_config.json"
MAX_CONFIG_BYTES = 1_000_000
MAX_NUMBER = 10_000_000
# The largest of open_clip 3.3: 56 layers, width 1,792, 512 px, context 77, 901,629 words.
LIMITS = {
    "layers": 512,
    "num_hidden_layers": 512,
    "num_layers": 512,
    "encoder_layers": 512,
    "decoder_layers": 512,
    "width": 65_536,
    "image_size": 4096,
    "context_length": 8192,
    "embed_dim": 65_536,
}
MAX_TOKENS = 65_536  # patches of one image
SECTIONS = {"vision_cfg": CLIPVisionCfg, "text_cfg": CLIPTextCfg, "multimodal_cfg": MultimodalCfg}
TOP_KEYS = {"embed_dim", "custom_text", "quick_gelu", "init_logit_scale", "init_logit_bias",
            "nonscalar_logit_scale", "output_dict", *SECTIONS}  # fmt: skip
KWARGS = {"norm_kwargs": {"eps"}, "act_kwargs": {"approximate"}}
# What a tokenizer may be told. Not here: trust_remote_code, paths, and reduction_mask, which draws
# words at random.
TOKENIZER_KEYS = {"clean", "strip_sep_token", "language", "additional_special_tokens", "use_fast",
                  "legacy", "padding_side", "truncation_side", "add_bos_token", "add_eos_token",
                  "add_prefix_space", "do_lower_case", "model_max_length"}  # fmt: skip
# Without an effect on a vector of given weights; files and contract are hashed on their own.
NOT_IN_SPACE = {"hf_tokenizer_name", "hf_model_name", "hf_model_pretrained",
                "timm_model_pretrained", "init_logit_scale", "init_logit_bias",
                "nonscalar_logit_scale", "output_dict", "patch_dropout", "timm_drop",
                "timm_drop_path"}  # fmt: skip
CODE_KEYS = {"trust_remote_code", "auto_map"}
_TIMM_NAME = re.compile(r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)?")


@dataclass(frozen=True)
class OpenClipConfig:
    """A checked configuration.

    Attributes:
        model: open_clip's ``model_cfg``.
        preprocess: open_clip's ``preprocess_cfg``, as stated; may be empty.
        where: file or architecture, for messages.
    """

    model: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    where: str

    @property
    def text(self) -> Mapping[str, Any]:
        """The text tower's section."""
        section: Mapping[str, Any] = self.model["text_cfg"]
        return section

    @property
    def network_class(self) -> type[Any]:
        """The class that open_clip chooses for it."""
        kind: type[Any] = open_clip.CLIP
        if self.model.get("custom_text") or self.text.get("hf_model_name"):
            is_coca = "multimodal_cfg" in self.model
            kind = open_clip.CoCa if is_coca else open_clip.CustomTextCLIP
        return kind

    def canonical(self) -> str:
        """Return what changes a vector as text; defaults are left out, spelled out or not."""
        kept = {k: v for k, v in self.model.items() if k not in SECTIONS and k not in NOT_IN_SPACE}
        kept = {key: value for key, value in kept.items() if value not in (None, False)}
        kept["class"] = self.network_class.__name__
        kept.pop("custom_text", None)  # said by the class
        for name, section in SECTIONS.items():
            if name in self.model:
                kept[name] = _without_defaults(self.model[name], section)
        return json.dumps(kept, sort_keys=True)


def read_config(path: Path) -> OpenClipConfig:
    """Read and check an open_clip_config.json.

    Raises:
        WeightsError: it is not one, or says what is refused.
    """
    content = read_json(path)
    if not isinstance(content.get("model_cfg"), dict):
        raise _fault(str(path), "it has no 'model_cfg'. Save the model as open_clip does for a hub")
    if unknown := set(content) - {"model_cfg", "preprocess_cfg"}:
        check_no_code(content, str(path))
        raise _fault(str(path), f"it has the keys {_names(unknown)}, which open_clip does not know")
    preprocess = content.get("preprocess_cfg")
    return check_config(content["model_cfg"], {} if preprocess is None else preprocess, str(path))


def read_json(path: Path) -> dict[str, Any]:
    """Return the object of a small JSON file, or raise WeightsError."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise _fault(str(path), "it is larger than any such file")
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}. Check the folder.") from error
    except (ValueError, RecursionError) as error:
        raise _fault(str(path), f"it is not JSON ({str(error)[:100]})") from error
    if not isinstance(content, dict):
        raise _fault(str(path), "it is not a JSON object")
    return content


def check_config(model: Any, preprocess: Any, where: str) -> OpenClipConfig:
    """Return a configuration, or raise WeightsError when it is wrong, absurd or unsafe."""
    for part in (model, preprocess):
        if not isinstance(part, dict):
            raise _fault(where, "model_cfg and preprocess_cfg must be JSON objects")
        check_no_code(part, where)
        check_numbers(part, where)
    model = {key: value for key, value in deepcopy(model).items() if value is not None}
    if unknown := set(model) - TOP_KEYS:
        raise _unknown(where, "model_cfg", unknown)
    for name, kind in SECTIONS.items():
        if name in model or name != "multimodal_cfg":
            _check_section(name, model.get(name), kind, where)
    if not isinstance(model.get("embed_dim"), int) or model["embed_dim"] < 1:
        raise _fault(where, "embed_dim must be a whole number above 0")
    _check_vision(model["vision_cfg"], where)
    _check_text(model["text_cfg"], where)
    return OpenClipConfig(model, deepcopy(preprocess), where)


def _check_section(name: str, section: Any, kind: type[Any], where: str) -> None:
    if not isinstance(section, dict):
        raise _fault(where, f"{name} must be a JSON object")
    if unknown := set(section) - {field.name for field in fields(kind)}:
        raise _unknown(where, name, unknown)
    for key, allowed in KWARGS.items():
        if unknown := set(section.get(key) or {}) - allowed:
            raise _unknown(where, key, unknown)


def _check_vision(vision: dict[str, Any], where: str) -> None:
    if name := vision.get("timm_model_name"):
        _check_timm(name, where)
    elif not isinstance(vision.get("layers", 12), list):
        _check_grid(vision, where)


def _check_text(text: dict[str, Any], where: str) -> None:
    for key in ("hf_model_name", "hf_tokenizer_name"):
        if text.get(key):
            _check_name(key, text[key], where)
    if unknown := set(text.get("tokenizer_kwargs") or {}) - TOKENIZER_KEYS:
        raise _fault(where, f"tokenizer_kwargs with {_names(unknown)} are refused: they could read "
                     "other files, run code or draw words at random. Remove them")  # fmt: skip


def _check_timm(name: Any, where: str) -> None:
    if not isinstance(name, str) or not _TIMM_NAME.fullmatch(name):
        raise _fault(where, f"timm_model_name {name!r} is refused: it must be the plain name of a "
                     "timm architecture, not a place to load from")  # fmt: skip
    if not timm.is_model(name):
        raise _fault(where, f"the installed timm {timm.__version__} has no architecture {name!r}. "
                     "Run: pip install -U timm")  # fmt: skip


def _check_grid(vision: dict[str, Any], where: str) -> None:
    size, patch = vision.get("image_size", 224), vision.get("patch_size", 16)
    height, width = size if isinstance(size, list) and len(size) == 2 else (size, size)
    if not all(isinstance(value, int) and value > 0 for value in (height, width, patch)):
        raise _fault(where, "image_size and patch_size must be whole numbers above 0")
    if height // patch * (width // patch) > MAX_TOKENS:
        raise _fault(where, f"image_size {size} with patch_size {patch} is absurd")


def _check_name(key: str, name: Any, where: str) -> None:
    bad = not isinstance(name, str) or name.startswith(("/", "~", ".")) or "\\" in name
    if bad or "://" in name or ".." in name or ":" in name:
        raise _fault(where, f"{key} {name!r} is refused: it must be a name such as ORG/NAME, not a "
                     "path or address. Put the plain name back and the files into a folder of its "
                     "last part beside the config")  # fmt: skip


def check_no_code(content: Any, where: str) -> None:
    """Raise WeightsError when a configuration asks for code of its own to be run."""
    for key, value in _walk(content):
        if key in CODE_KEYS and value not in (False, None):
            raise _fault(where, f"it asks for code of its own ({key}), which is refused. Use a "
                         "checkpoint that open_clip and transformers know without it")  # fmt: skip


def check_numbers(content: Any, where: str) -> None:
    """Raise WeightsError when a number is absurd: a network of that size would fill the memory."""
    for key, value in _walk(content):
        values = value if isinstance(value, list) else [value]
        for number in values:
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            if not math.isfinite(number) or abs(number) > LIMITS.get(key, MAX_NUMBER):
                raise _fault(where, f"{key} = {number} is absurd")


def _walk(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    yield key, content
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _walk(value, str(name))
    elif isinstance(content, list):
        for value in content:
            yield from _walk(value, key)


def _without_defaults(section: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    defaults = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in section.items()
        if key not in NOT_IN_SPACE and value is not None and value != defaults.get(key)
    }


def _unknown(where: str, section: str, unknown: set[str]) -> WeightsError:
    return _fault(
        where,
        f"{section} has {_names(unknown)}, which open_clip {open_clip.__version__} does not know. "
        "Correct the spelling, or run: pip install -U open_clip_torch",
    )


def _names(keys: set[str]) -> str:
    return ", ".join(sorted(map(str, keys))[:5])


def _fault(where: str, what: str) -> WeightsError:
    end = "" if "pip install" in what else "."
    return WeightsError(f"{where} cannot be used: {what}{end}")
