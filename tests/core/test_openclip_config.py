"""What a configuration may not say, and weights that are not those of its network."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fieldguide.errors import WeightsError
from fieldguide.models.load import named_model
from fieldguide.models.openclip import build_open_clip
from fieldguide.models.openclip_config import read_config
from fieldguide.plugins import get_catalog
from fieldguide.tiny_checkpoints import model_config, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"


def build(folder: Path) -> Any:
    return build_open_clip(named_model(str(folder), get_catalog()), torch.device("cpu"))


def changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    content = json.loads((folder / CONFIG).read_text())
    change(content)
    (folder / CONFIG).write_text(json.dumps(content))
    return folder


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "vit", model_config("vit"))


@pytest.fixture
def siglip(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "siglip", model_config("siglip"))


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "bert", model_config("bert"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '"x"',
        "{",
        "\x00\x01",
        '{"model_cfg": 3}',
        "{}",
        "[" * 100_000,
        '{"a": NaN',
    ],
)
def test_a_file_that_is_no_configuration_is_refused(text: str, vit: Path) -> None:
    (vit / CONFIG).write_text(text)
    with pytest.raises(WeightsError, match=CONFIG):
        build(vit)


def test_a_configuration_that_is_not_utf8_is_refused(vit: Path) -> None:
    (vit / CONFIG).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WeightsError, match="not JSON"):
        build(vit)


@pytest.mark.parametrize(
    ("where", "key", "value", "said"),
    [
        ("text_cfg", "tokenizer_kwargs", {"trust_remote_code": True}, "trust_remote_code"),
        ("text_cfg", "tokenizer_kwargs", {"bpe_path": "/etc/passwd"}, "bpe_path"),
        ("text_cfg", "tokenizer_kwargs", {"reduction_mask": "syntax"}, "reduction_mask"),
        ("text_cfg", "tokenizer_kwargs", {"cache_dir": "/tmp"}, "cache_dir"),
        ("vision_cfg", "timm_model_name", "hf-hub:evil/model", "timm_model_name"),
        ("vision_cfg", "timm_model_name", "hf_hub:evil/model", "timm_model_name"),
        ("vision_cfg", "timm_model_name", "local-dir:/tmp/x", "timm_model_name"),
        ("vision_cfg", "timm_model_name", "https://evil/x", "timm_model_name"),
        ("vision_cfg", "timm_model_name", ["vit"], "timm_model_name"),
        ("vision_cfg", "timm_model_name", "vit_of_tomorrow", "pip install -U timm"),
        ("text_cfg", "hf_model_name", "/etc", "hf_model_name"),
        ("text_cfg", "hf_model_name", "../elsewhere", "hf_model_name"),
        ("text_cfg", "hf_model_name", "https://evil/x", "hf_model_name"),
        ("text_cfg", "hf_tokenizer_name", "~/x", "hf_tokenizer_name"),
        ("text_cfg", "hf_tokenizer_name", "C:\\x", "hf_tokenizer_name"),
        ("text_cfg", "hf_tokenizer_name", 3, "hf_tokenizer_name"),
        ("vision_cfg", "width", 10**9, "width = 1000000000 is absurd"),
        ("vision_cfg", "layers", 10**6, "layers"),
        ("vision_cfg", "layers", [1, 1, 1, 10**6], "layers"),
        ("vision_cfg", "image_size", 10**6, "image_size"),
        ("vision_cfg", "patch_size", 0, "patch_size"),
        ("vision_cfg", "head_width", 0, "ZeroDivisionError"),
        ("text_cfg", "context_length", 10**6, "context_length"),
        ("text_cfg", "vocab_size", 10**12, "vocab_size"),
        ("text_cfg", "heads", 3, "cannot be|can be built"),
        ("text_cfg", "norm_kwargs", {"device": "cuda"}, "norm_kwargs"),
        ("vision_cfg", "widht", 64, "widht.*pip install -U open_clip_torch"),
        ("vision_cfg", "pos_embed_type", "magic", "can be built"),
    ],
)
def test_a_configuration_that_is_unsafe_or_absurd_is_refused(
    where: str, key: str, value: Any, said: str, vit: Path
) -> None:
    changed(vit, lambda content: content["model_cfg"][where].update({key: value}))
    started = time.monotonic()
    with pytest.raises(WeightsError, match=said):
        build(vit)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("auto_map", {"AutoModel": "x.Y"}, "auto_map"),
        ("trust_remote_code", True, "trust_remote_code"),
        ("embed_dim", "32", "embed_dim"),
        ("embed_dim", None, "embed_dim"),
        ("vision_cfg", None, "vision_cfg"),
        ("text_cfg", [], "text_cfg"),
        ("cast_dtype", "float16", "cast_dtype"),
        ("init_logit_scale", math.inf, "init_logit_scale"),
    ],
)
def test_a_top_level_that_is_wrong_is_refused(key: str, value: Any, said: str, vit: Path) -> None:
    with pytest.raises(WeightsError, match=said):
        build(changed(vit, lambda content: content["model_cfg"].update({key: value})))


def test_trust_remote_code_anywhere_in_the_file_is_refused(vit: Path) -> None:
    with pytest.raises(WeightsError, match="trust_remote_code"):
        build(
            changed(vit, lambda content: content.update({"x": {"y": [{"trust_remote_code": 1}]}}))
        )


@pytest.mark.parametrize("name", ["tokenizer_config.json", "config.json"])
def test_a_tokenizer_with_code_of_its_own_is_refused(name: str, vit: Path) -> None:
    path = vit / name
    content = json.loads(path.read_text()) if path.exists() else {"model_type": "bert"}
    path.write_text(json.dumps(content | {"auto_map": {"AutoTokenizer": ["evil.Tok", None]}}))
    (vit / "evil.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(WeightsError, match="auto_map"):
        build(vit)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map"),
        ({"_attn_implementation": "evil/kernel"}, "_attn_implementation"),
        ({"quantization_config": {"quant_method": "x"}}, "quantization_config"),
        ({"model_type": "llama"}, "llama"),
        ({"hidden_size": 10**9}, "absurd"),
        ({"num_hidden_layers": 10**6}, "absurd"),
        ({"hidden_size": 33}, "can be built"),
    ],
)
def test_a_text_tower_that_is_unsafe_or_absurd_is_refused(
    change: dict[str, Any], said: str, bert: Path
) -> None:
    path = bert / "tiny-bert" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsError, match=said):
        build(bert)


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    return folder


def test_missing_weights_are_refused_by_name(vit: Path) -> None:
    edit_weights(vit, lambda tensors: [tensors.pop(n) for n in ("visual.proj", "logit_scale")])
    with pytest.raises(WeightsError, match=r"2 tensors are missing \(logit_scale, visual.proj\)"):
        build(vit)


def test_weights_of_which_some_have_no_place_are_refused_by_name(vit: Path) -> None:
    edit_weights(vit, lambda tensors: tensors.update(more=torch.ones(1)))
    with pytest.raises(WeightsError, match=r"1 are unknown \(more\)"):
        build(vit)


def test_weights_of_another_shape_are_refused_by_name(vit: Path) -> None:
    edit_weights(vit, lambda tensors: tensors.update({"visual.proj": torch.ones(64, 16)}))
    with pytest.raises(WeightsError, match=r"visual.proj \(64, 16\) where \(64, 32\) belongs"):
        build(vit)


def test_position_embeddings_of_another_image_size_are_not_stretched(vit: Path) -> None:
    name = "visual.positional_embedding"
    edit_weights(vit, lambda tensors: tensors.update({name: torch.ones(65, 64)}))
    with pytest.raises(WeightsError, match="another image size or context length"):
        build(vit)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_by_name(value: float, vit: Path) -> None:
    edit_weights(vit, lambda tensors: tensors["ln_final.weight"].fill_(value))
    with pytest.raises(WeightsError, match=r"not finite.*ln_final.weight"):
        build(vit)


def test_a_huge_network_with_small_weights_is_refused_before_it_takes_memory(vit: Path) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = {"width": 65_536, "layers": 400}  # 80 TB of weights
    with pytest.raises(WeightsError, match="does not fit"):
        build(changed(vit, lambda content: content["model_cfg"]["vision_cfg"].update(sizes)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_a_logit_bias_that_the_configuration_does_not_know_is_left_out(vit: Path) -> None:
    edit_weights(vit, lambda tensors: tensors.update(logit_bias=torch.tensor(-10.0)))
    assert build(vit).space.dim == 32


def test_a_tokenizer_of_another_model_is_refused(siglip: Path) -> None:
    content = json.loads((siglip / "tokenizer.json").read_text())
    content["post_processor"]["special_tokens"]["<end>"]["ids"] = [30_000]
    (siglip / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=r"30000.*knows 100 words"):
        build(siglip)


def test_a_damaged_tokenizer_is_an_error_of_ours(vit: Path) -> None:
    (vit / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(WeightsError, match="tokenizer"):
        build(vit)


def test_a_stated_default_makes_no_other_configuration(vit: Path) -> None:
    plain = read_config(vit / CONFIG).canonical()
    stated = {"pool_type": "tok", "mlp_ratio": 4.0, "ls_init_value": None}
    changed(vit, lambda content: content["model_cfg"]["vision_cfg"].update(stated))
    changed(vit, lambda content: content["model_cfg"].update(custom_text=False, quick_gelu=False))
    assert read_config(vit / CONFIG).canonical() == plain
    changed(vit, lambda content: content["model_cfg"].update(quick_gelu=True))
    assert read_config(vit / CONFIG).canonical() != plain
