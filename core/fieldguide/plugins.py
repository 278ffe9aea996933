"""Finds plugins, keeps a broken one from breaking the rest, and lists what all of them offer."""

from __future__ import annotations

import difflib
import functools
import importlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import pluggy

from fieldguide import extras, hookspecs
from fieldguide.errors import (
    AmbiguousNameError,
    FieldguideError,
    PluginError,
    UnknownNameError,
)
from fieldguide.registry import Registry, merge_registries, read_core_registry, read_resource
from fieldguide.specs import (
    BenchmarkSpec,
    CaptionConverterSpec,
    DomainSpec,
    LoaderSpec,
    MethodSpec,
    ModelSpec,
    Offer,
    WriterSpec,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)

CORE = "core"
DISABLE_VARIABLE = "FIELDGUIDE_DISABLE"

OfferT = TypeVar("OfferT", bound=Offer)

_HOOKS: Mapping[str, type[Offer]] = {
    "register_domains": DomainSpec,
    "register_loaders": LoaderSpec,
    "register_models": ModelSpec,
    "register_caption_converters": CaptionConverterSpec,
    "register_writers": WriterSpec,
    "register_benchmarks": BenchmarkSpec,
    "register_methods": MethodSpec,
}


@dataclass(frozen=True)
class PluginFailure:
    """A plugin, or a part of one, that cannot be used."""

    plugin: str
    reason: str
    advice: str

    def __str__(self) -> str:
        """Return one line with the cause and what to do."""
        return f"{self.plugin}: {self.reason} {self.advice}"


@dataclass(frozen=True)
class PluginInfo:
    """A plugin that was found.

    Attributes:
        state: "ok", "failed" or "disabled".
        pip_lines: one command for each extra of it that is not completely installed.
    """

    name: str
    distribution: str
    version: str
    state: str
    pip_lines: tuple[str, ...] = ()


class Offers(Mapping[str, OfferT], Generic[OfferT]):
    """Offers of one kind by name. A name offered twice is an error only when it is used."""

    def __init__(
        self,
        kind: str,
        offers: Iterable[tuple[str, OfferT]],
        failures: Sequence[PluginFailure] = (),
    ) -> None:
        self._kind = kind
        self._failures = failures
        self._offers: dict[str, list[tuple[str, OfferT]]] = defaultdict(list)
        for plugin, offer in offers:
            self._offers[offer.name].append((plugin, offer))

    def __getitem__(self, name: str) -> OfferT:
        """Return the offer of that name.

        Raises:
            UnknownNameError: no plugin offers it; near names and broken plugins are told.
            AmbiguousNameError: several plugins offer it.
        """
        found = self._offers.get(name, [])
        if not found:
            raise UnknownNameError(self._unknown(name))
        if len(found) > 1:
            owners = self.owners(name)
            raise AmbiguousNameError(
                f"The {self._kind} {name!r} is offered by {len(found)} plugins: "
                f"{', '.join(owners)}. Switch one off: {DISABLE_VARIABLE}={owners[-1]}"
            )
        return found[0][1]

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names, sorted."""
        return iter(sorted(self._offers))

    def __len__(self) -> int:
        """Return how many names are offered."""
        return len(self._offers)

    def __contains__(self, name: object) -> bool:
        """Return whether any plugin offers the name."""
        return name in self._offers

    def owners(self, name: str) -> tuple[str, ...]:
        """Return the plugins that offer the name."""
        return tuple(plugin for plugin, _ in self._offers.get(name, []))

    def doubled(self) -> tuple[str, ...]:
        """Return the names that more than one plugin offers."""
        return tuple(name for name in self if len(self._offers[name]) > 1)

    def _unknown(self, name: str) -> str:
        message = f"No {self._kind} is named {name!r}."
        if close := difflib.get_close_matches(name, self._offers):
            message += f" Did you mean {', '.join(map(repr, close))}?"
        elif self._offers:
            message += f" There are: {', '.join(self)}."
        for failure in self._failures:
            message += f"\nA plugin failed to load: {failure}"
        return f"{message}\nRun 'fieldguide plugins' to see what is available."


@dataclass(frozen=True)
class Catalog:
    """Everything that the core and the plugins offer."""

    domains: Offers[DomainSpec]
    loaders: Offers[LoaderSpec]
    models: Offers[ModelSpec]
    caption_converters: Offers[CaptionConverterSpec]
    writers: Offers[WriterSpec]
    benchmarks: Offers[BenchmarkSpec]
    methods: Offers[MethodSpec]
    registry: Registry
    plugins: tuple[PluginInfo, ...] = ()
    failures: tuple[PluginFailure, ...] = ()

    def kinds(self) -> tuple[Offers[Any], ...]:
        """Return all groups of offers."""
        return (
            self.domains,
            self.loaders,
            self.models,
            self.caption_converters,
            self.writers,
            self.benchmarks,
            self.methods,
        )

    def problems(self) -> tuple[str, ...]:
        """Return one line for each failure and each name that is offered twice."""
        doubled = (
            f"{name!r} is offered by {', '.join(offers.owners(name))}: an error when it is used."
            for offers in self.kinds()
            for name in offers.doubled()
        )
        return (*map(str, self.failures), *doubled)


@dataclass
class _Discovery:
    """The state of one search for plugins."""

    manager: pluggy.PluginManager
    disabled: frozenset[str]
    infos: list[PluginInfo] = field(default_factory=list)
    failures: list[PluginFailure] = field(default_factory=list)
    offers: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def fail(self, plugin: str, error: Exception, advice: str) -> None:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        logger.debug("plugin %r failed", plugin, exc_info=error)
        self.failures.append(PluginFailure(plugin, reason, advice))


def build_catalog(
    found: Iterable[EntryPoint] | None = None, disabled: Iterable[str] | None = None
) -> Catalog:
    """Load plugins one by one and collect their offers.

    Args:
        found: entry points to load; by default those of every installed distribution.
        disabled: plugin names to leave out; by default those in ``FIELDGUIDE_DISABLE``.

    Raises:
        RegistryError: the core's or the user's own registry file is not valid.
    """
    if disabled is None:
        disabled = os.environ.get(DISABLE_VARIABLE, "").split(",")
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs.Hooks)
    search = _Discovery(manager, frozenset(name.strip() for name in disabled if name.strip()))
    builtin = importlib.import_module("fieldguide.builtin")
    _collect(search, CORE, builtin)
    entries = entry_points(group=hookspecs.PROJECT) if found is None else found
    for entry in sorted(entries, key=lambda entry: entry.name):
        search.infos.append(_load_one(search, entry))
    registry = _merge(search)
    failures = tuple(search.failures)
    groups: dict[str, Any] = {
        hook.removeprefix("register_"): Offers(kind.kind, search.offers[hook], failures)
        for hook, kind in _HOOKS.items()
    }
    return Catalog(**groups, registry=registry, plugins=tuple(search.infos), failures=failures)


@functools.cache
def get_catalog() -> Catalog:
    """Return the catalogue of this process, built at the first call."""
    return build_catalog()


def _load_one(search: _Discovery, entry: EntryPoint) -> PluginInfo:
    distribution = entry.dist.name if entry.dist else "unknown"
    version = entry.dist.version if entry.dist else "unknown"
    if entry.name in search.disabled:
        return PluginInfo(entry.name, distribution, version, "disabled")
    before = len(search.failures)
    try:
        plugin = entry.load()
    except Exception as error:  # noqa: BLE001 - one broken plugin must not break the rest
        search.fail(
            entry.name, error, f"Run: pip install --force-reinstall {distribution}, or switch it "
            f"off: {DISABLE_VARIABLE}={entry.name}"
        )  # fmt: skip
    else:
        _collect(search, entry.name, plugin)
    if len(search.failures) > before:
        return PluginInfo(entry.name, distribution, version, "failed")
    lines = _pip_lines(search, entry.name)
    return PluginInfo(entry.name, distribution, version, "ok", lines)


def _collect(search: _Discovery, name: str, plugin: object) -> None:
    """Register one plugin and take its offers; all of it or nothing."""
    try:
        _check_api(plugin)
        _register(search.manager, name, plugin)
        collected = list(_offers_of(search.manager, plugin))
    except Exception as error:  # noqa: BLE001 - one broken plugin must not break the rest
        if search.manager.is_registered(plugin):
            search.manager.unregister(plugin)
        advice = "Ask its author for a fixed release, or switch it off: "
        search.fail(name, error, f"{advice}{DISABLE_VARIABLE}={name}")
        return
    for hook, offer in collected:
        search.offers[hook].append((name, offer))


def _check_api(plugin: object) -> None:
    wanted = getattr(plugin, "api", None)
    if wanted is None:
        raise PluginError(f"it declares no plugin api; it needs a line 'api = {hookspecs.API}'.")
    if not isinstance(wanted, int) or wanted > hookspecs.API:
        raise PluginError(
            f"it needs plugin api {wanted}, this fieldguide speaks {hookspecs.API}. "
            "Run: pip install --upgrade fieldguide."
        )


def _register(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    manager.register(plugin, name=name)
    manager.check_pending()  # a hook we do not know: a typo, or a newer plugin api


def _offers_of(manager: pluggy.PluginManager, plugin: object) -> Iterator[tuple[str, Offer]]:
    for caller in manager.get_hookcallers(plugin) or []:
        kind = _HOOKS[caller.name]
        for implementation in caller.get_hookimpls():
            if implementation.plugin is not plugin:
                continue
            offers = cast("Iterable[Any]", implementation.function())
            for offer in offers:
                if not isinstance(offer, kind):
                    raise PluginError(
                        f"{caller.name} gave {offer!r}, which is not a {kind.__name__}."
                    )
                yield caller.name, offer


def _pip_lines(search: _Discovery, plugin: str) -> tuple[str, ...]:
    lines = {
        offer.pip_line
        for offers in search.offers.values()
        for owner, offer in offers
        if owner == plugin
        and offer.extra
        and not extras.is_complete(offer.distribution, offer.extra)
    }
    return tuple(sorted(line for line in lines if line))


def _merge(search: _Discovery) -> Registry:
    """Overlay the plugins' registries and the user's on the core's."""
    registry = read_core_registry()
    for owner, domain in search.offers["register_domains"]:
        if domain.registry is None:
            continue
        try:
            registry = merge_registries(registry, read_resource(domain.registry, owner))
        except (FieldguideError, OSError, ModuleNotFoundError) as error:
            search.fail(owner, error, f"Or switch it off: {DISABLE_VARIABLE}={owner}")
    return registry.with_user_overlay()
