"""For plugin authors: checks of a plugin, and a tiny open_clip checkpoint to test with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fieldguide.hookspecs import API, PROJECT, Hooks
from fieldguide.pairs.words import domain_words
from fieldguide.plugins import Catalog, get_catalog
from fieldguide.registry import read_resource
from fieldguide.specs import BenchmarkSpec, CommandSpec, DomainSpec, Offer, Spec
from fieldguide.tiny_checkpoints import KINDS, model_config, write_checkpoint
from fieldguide.zeroshot.choose import finding_judge
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide.zeroshot.description_files import load_descriptions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from fieldguide.registry import AdapterRecord, ModelRecord


def check_plugin(plugin: ModuleType, catalog: Catalog | None = None) -> list[str]:
    """Return what is wrong with an installed plugin, one sentence each; empty when all is well.

    Checked: the api, the names of its hooks, that every target can be imported (recipes of models
    and windows of loaders too), that its domains' loaders, checks, previews, normalisers, pictures,
    class sets and registry exist, that normalisers take options of their domain, that findings are
    judged by a method for them, that records that can be used name architectures, and all name
    modalities, that are offered, that benchmarks name data sets that are, and that commands are
    click's and of a known domain.
    """
    catalog = catalog or get_catalog()
    faults = [] if getattr(plugin, "api", None) == API else [f"it does not say 'api = {API}'"]
    offers = list(_offers(plugin, faults))
    for offer in offers:
        if isinstance(offer, Spec):
            faults += _target_faults(offer)
        if isinstance(offer, DomainSpec):
            faults += _domain_faults(offer, catalog)
        if isinstance(offer, BenchmarkSpec):
            faults += _benchmark_faults(offer, catalog)
        if isinstance(offer, CommandSpec):
            faults += _command_faults(offer, catalog)
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


def _target_faults(spec: Spec) -> list[str]:
    """Return what of a spec's target and its other import paths cannot be imported."""
    of = f"of the {spec.kind} {spec.name!r}"
    others = {name: getattr(spec, name, None) for name in ("windows", "recognizes", "recipe")}
    faults = _fault(f"the {spec.kind} {spec.name!r}", spec.load)
    for name, path in others.items():
        if path is not None:
            faults += _fault(f"{name} {of}", lambda path=path: spec.import_target(path))
    return faults


def _benchmark_faults(spec: BenchmarkSpec, catalog: Catalog) -> list[str]:
    of = f"of the benchmark {spec.name!r}"
    return [
        *_fault(f"the data set {of}", lambda: catalog.registry.dataset(spec.dataset)),
        *_fault(f"the domain {of}", lambda: catalog.domains[spec.domain]),
    ]


def _command_faults(spec: CommandSpec, catalog: Catalog) -> list[str]:
    of = f"of the command {spec.name!r}"
    faults = _fault(f"the domain {of}", lambda: catalog.domains[spec.domain])
    try:
        command = spec.load()
    except Exception:  # noqa: BLE001 - that it cannot be imported is told of as its target
        return faults
    if not isinstance(command, click.Command):
        faults.append(f"the target {of}: it is no click.Command")
    return faults


def _domain_faults(domain: DomainSpec, catalog: Catalog) -> list[str]:
    faults: list[str] = []
    known = {option.name for option in domain.options}
    modalities = {m.name for offered in catalog.domains.usable() for m in offered.modalities}
    for modality in domain.modalities:
        for name in modality.loader:
            faults += _fault(
                f"the loader of {modality.name!r}", lambda name=name: catalog.loaders[name]
            )
        for target in filter(None, (modality.check, modality.preview, modality.normaliser)):
            faults += _fault(
                f"{target} of {modality.name!r}", lambda m=modality, t=target: m.import_target(t)
            )
        if unknown := sorted(set(modality.normaliser_options) - known):
            faults.append(f"the normaliser of {modality.name!r} takes {', '.join(unknown)}, which "
                          f"the domain {domain.name!r} has no option for")  # fmt: skip
    if domain.demo is not None:
        faults += _fault(f"the pictures {domain.demo}", lambda: domain.import_target(domain.demo))
    if domain.pair_words is not None:
        faults += _fault(f"the words {domain.pair_words!r}", lambda: domain_words(domain))
    faults += _set_faults(domain, catalog) + _prior_faults(domain)
    return faults + _registry_faults(domain, catalog, modalities)


def _prior_faults(domain: DomainSpec) -> list[str]:
    if (target := domain.prior) is not None:
        return _fault(f"the prior {target}", lambda: domain.import_target(target))
    of_prior = ", ".join(option.name for option in domain.options if option.of_prior)
    return [f"the options {of_prior} are of a prior, and there is none"] if of_prior else []


def _set_faults(domain: DomainSpec, catalog: Catalog) -> list[str]:
    """Return what of a domain's class and description sets cannot be used."""
    faults: list[str] = []
    for resource in domain.class_sets:
        name = Path(resource).stem
        faults += _fault(f"the class set {name!r}", lambda name=name: _usable_set(name, catalog))
    for resource in domain.description_sets:
        name = Path(resource).stem
        faults += _fault(
            f"the description set {name!r}", lambda name=name: load_descriptions(name, catalog)
        )
    return faults


def _usable_set(name: str, catalog: Catalog) -> None:
    found = load_class_set(name, catalog)
    if found.has_findings:
        finding_judge(found, catalog)


def _registry_faults(domain: DomainSpec, catalog: Catalog, modalities: set[str]) -> list[str]:
    if domain.registry is None:
        return []
    faults: list[str] = []
    registry = read_resource(domain.registry, domain.name)
    for model in registry.models:
        if not model.unsupported and model.architecture not in catalog.models:
            faults.append(f"the model {model.name!r} names no offered architecture")
    records: tuple[ModelRecord | AdapterRecord, ...] = (*registry.models, *registry.adapters)
    for record in records:
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
        architecture: an architecture record of the registry, or one of
            ``fieldguide.tiny_checkpoints.KINDS``: SigLIP, CoCa, timm and HF towers and others.
        seed: of the weights; another seed is another space.
    """
    if architecture in KINDS:
        config = model_config(architecture)
    else:
        config = dict(get_catalog().registry.architecture(architecture).config)
    return write_checkpoint(folder, config, seed=seed)
