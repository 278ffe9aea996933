"""For plugin authors: checks of a plugin, and a tiny open_clip checkpoint to test with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing

from fieldguide.hookspecs import API, PROJECT, Hooks
from fieldguide.plugins import Catalog, get_catalog
from fieldguide.registry import read_resource
from fieldguide.specs import DomainSpec, Offer, Spec
from fieldguide.zeroshot.class_sets import load_class_set

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789 .,-'"


def check_plugin(plugin: ModuleType, catalog: Catalog | None = None) -> list[str]:
    """Return what is wrong with an installed plugin, one sentence each; empty when all is well.

    Checked: the api, the names of its hooks, that every target can be imported, that its domains'
    loaders, checks, previews, class sets and registry exist and that their records name
    architectures and modalities that are offered.
    """
    catalog = catalog or get_catalog()
    faults = [] if getattr(plugin, "api", None) == API else [f"it does not say 'api = {API}'"]
    offers = list(_offers(plugin, faults))
    for offer in offers:
        if isinstance(offer, Spec):
            faults += _fault(f"the {offer.kind} {offer.name!r}", offer.load)
        if isinstance(offer, DomainSpec):
            faults += _domain_faults(offer, catalog)
    if not offers:
        faults.append("it offers nothing")
    return faults


def _offers(plugin: ModuleType, faults: list[str]) -> Iterable[Offer]:
    for name, function in vars(plugin).items():
        if not hasattr(function, f"{PROJECT}_impl"):
            continue
        if not hasattr(Hooks, name):
            faults.append(f"{name} is no hook of api {API}")
            continue
        yield from function()


def _domain_faults(domain: DomainSpec, catalog: Catalog) -> list[str]:
    faults: list[str] = []
    modalities = {m.name for offered in catalog.domains.usable() for m in offered.modalities}
    for modality in domain.modalities:
        for name in modality.loader:
            faults += _fault(
                f"the loader of {modality.name!r}", lambda name=name: catalog.loaders[name]
            )
        for target in filter(None, (modality.check, modality.preview)):
            faults += _fault(
                f"{target} of {modality.name!r}", lambda m=modality, t=target: m.import_target(t)
            )
    for resource in domain.class_sets:
        name = Path(resource).stem
        faults += _fault(f"the class set {name!r}", lambda name=name: load_class_set(name, catalog))
    return faults + _registry_faults(domain, catalog, modalities)


def _registry_faults(domain: DomainSpec, catalog: Catalog, modalities: set[str]) -> list[str]:
    if domain.registry is None:
        return []
    faults: list[str] = []
    for record in read_resource(domain.registry, domain.name).models:
        if record.architecture not in catalog.models:
            faults.append(f"the model {record.name!r} names no offered architecture")
        if unknown := set(record.scope) - modalities:
            faults.append(f"the scope of {record.name!r} names {', '.join(sorted(unknown))}")
    return faults


def _fault(what: str, attempt: Any) -> list[str]:
    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what the author asks for
        return [f"{what}: {error}"]
    return []


def write_tiny_checkpoint(folder: Path, *, architecture: str = "tiny_vit", seed: int = 0) -> Path:
    """Write a random open_clip model as a hub folder would be: config, weights, tokenizer.

    Args:
        folder: is made.
        architecture: an architecture record of the registry.
        seed: of the weights; another seed is another space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = dict(get_catalog().registry.architecture(architecture).config)
    size = config["vision_cfg"]["image_size"]
    _character_tokenizer(folder, config["text_cfg"]["vocab_size"])
    torch.manual_seed(seed)
    model = open_clip.CLIP(
        embed_dim=config["embed_dim"],
        vision_cfg=config["vision_cfg"],
        text_cfg={k: v for k, v in config["text_cfg"].items() if k != "hf_tokenizer_name"},
    )
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {
        "size": [size, size],
        "mean": list(open_clip.OPENAI_DATASET_MEAN),
        "std": list(open_clip.OPENAI_DATASET_STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content, indent=2), "utf-8")
    return folder


def _character_tokenizer(folder: Path, vocabulary_size: int) -> None:
    """Write a tokenizer of single characters; the end token has the highest number."""
    start, end = vocabulary_size - 2, vocabulary_size - 1
    vocabulary = {"<pad>": 0, "<unk>": 1, "<start>": start, "<end>": end}
    vocabulary |= {character: place for place, character in enumerate(CHARACTERS, start=2)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    tokenizer.post_processor = TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", start), ("<end>", end)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<start>",
        "eos_token": "<end>",
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
