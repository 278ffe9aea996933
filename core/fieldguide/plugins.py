"""Finds plugins, keeps a broken one from breaking the rest, and lists what all of them offer."""

from __future__ import annotations

import difflib
import functools
import importlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import pluggy
from pydantic import ValidationError

from fieldguide import extras, hookspecs
from fieldguide.errors import (
    AmbiguousNameError,
    FieldguideError,
    PluginError,
    RegistryError,
    UnknownNameError,
)
from fieldguide.registry import Registry, merge_registries, read_core_registry, read_resource
from fieldguide.specs import (
    BackendSpec,
    BenchmarkSpec,
    CaptionConverterSpec,
    CommandSpec,
    DomainSpec,
    LoaderSpec,
    MethodSpec,
    ModelSpec,
    Offer,
    WriterSpec,
    list_faults,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

CORE = "core"
UNKNOWN = "unknown"
DISABLE_VARIABLE = "FIELDGUIDE_DISABLE"

OfferT = TypeVar("OfferT", bound=Offer)

_HOOKS: Mapping[str, type[Offer]] = {
    "register_domains": DomainSpec,
    "register_loaders": LoaderSpec,
    "register_models": ModelSpec,
    "register_backends": BackendSpec,
    "register_caption_converters": CaptionConverterSpec,
    "register_writers": WriterSpec,
    "register_benchmarks": BenchmarkSpec,
    "register_methods": MethodSpec,
    "register_commands": CommandSpec,
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
            raise AmbiguousNameError(self._doubled(name))
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

    def usable(self) -> tuple[OfferT, ...]:
        """Return the offers whose name is theirs alone, by name."""
        return tuple(self[name] for name in self if len(self._offers[name]) == 1)

    def problems(self) -> tuple[str, ...]:
        """Return one line for each name that more than one plugin offers."""
        return tuple(
            f"{self._doubled(name)} (an error only when it is used)"
            for name in self
            if len(self._offers[name]) > 1
        )

    def _doubled(self, name: str) -> str:
        owners = self.owners(name)
        return (
            f"The {self._kind} {name!r} is offered by {len(owners)} plugins: "
            f"{', '.join(owners)}. Switch one off: {DISABLE_VARIABLE}={owners[-1]}"
        )

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
    backends: Offers[BackendSpec]
    caption_converters: Offers[CaptionConverterSpec]
    writers: Offers[WriterSpec]
    benchmarks: Offers[BenchmarkSpec]
    methods: Offers[MethodSpec]
    commands: Offers[CommandSpec]
    registry: Registry
    plugins: tuple[PluginInfo, ...] = ()
    failures: tuple[PluginFailure, ...] = ()

    def kinds(self) -> tuple[Offers[Any], ...]:
        """Return all groups of offers."""
        return (
            self.domains,
            self.loaders,
            self.models,
            self.backends,
            self.caption_converters,
            self.writers,
            self.benchmarks,
            self.methods,
            self.commands,
        )

    def problems(self) -> tuple[str, ...]:
        """Return one line for each failure and each name that is offered twice."""
        doubled = (line for offers in self.kinds() for line in offers.problems())
        return (*map(str, self.failures), *doubled)


@dataclass
class _Discovery:
    """The state of one search for plugins."""

    manager: pluggy.PluginManager
    disabled: frozenset[str]
    infos: list[PluginInfo] = field(default_factory=list)
    failures: list[PluginFailure] = field(default_factory=list)
    offers: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def owner_of(self, name: str) -> str | None:
        """Return the distribution whose plugin of that name was loaded, or None."""
        if name == CORE:
            return hookspecs.PROJECT
        loaded = (info for info in self.infos if info.name == name and info.state == "ok")
        return next((info.distribution for info in loaded), None)

    def fail(self, plugin: str, error: BaseException, advice: str) -> None:
        """Note a failure."""
        logger.debug("plugin %r failed", plugin, exc_info=error)
        self.failures.append(PluginFailure(plugin, _reason(error), advice))

    def withdraw(self, plugin: str) -> None:
        """Take back what a plugin offered that failed later."""
        for offers in self.offers.values():
            offers[:] = [(owner, offer) for owner, offer in offers if owner != plugin]
        self.infos = [
            replace(info, state="failed", pip_lines=()) if info.name == plugin else info
            for info in self.infos
        ]


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
    entries = _installed(search) if found is None else found
    for entry in sorted(entries, key=_order):
        search.infos.append(_load_one(search, entry))
    registry = _with_user_records(search, _merge(search))
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


def _reason(error: BaseException) -> str:
    """Return what happened in one line; the type only where it adds something."""
    if isinstance(error, ValidationError):
        return f"{error.title} is not valid: {list_faults(error)}."
    text = " ".join(str(error).split())
    return text if isinstance(error, FieldguideError) else f"{type(error).__name__}: {text}"


def _installed(search: _Discovery) -> list[EntryPoint]:
    """Return the entry points of all installed plugins."""
    try:
        return list(entry_points(group=hookspecs.PROJECT))
    except Exception as error:  # one distribution's broken file would hide all others
        logger.debug("entry points cannot be read at once", exc_info=error)
    found: dict[str, EntryPoint] = {}
    for distribution in distributions():
        try:
            entries = distribution.entry_points.select(group=hookspecs.PROJECT)
        except Exception as error:  # noqa: BLE001 - one broken plugin must not break the rest
            name, _ = _identity(distribution)
            search.fail(name, error, f"Run: pip install --force-reinstall {name}")
            continue
        for entry in entries:  # the first on the path hides later ones of the same distribution
            found.setdefault(f"{_identity(distribution)[0]} {entry.name}", entry)
    return list(found.values())


def _order(entry: EntryPoint) -> tuple[str, bool, str]:
    """Sort by name; of two with one name, the suite's own comes first."""
    distribution, _ = _identity(entry.dist)
    return entry.name, distribution != hookspecs.PROJECT, distribution


def _identity(distribution: Distribution | None) -> tuple[str, str]:
    """Return name and version; "unknown" where the metadata are missing or broken."""
    if distribution is None:
        return UNKNOWN, UNKNOWN
    try:
        metadata = distribution.metadata
        return str(metadata["Name"] or UNKNOWN), str(metadata["Version"] or UNKNOWN)
    except Exception:  # noqa: BLE001 - one distribution's broken metadata must not break the rest
        return UNKNOWN, UNKNOWN


def _load_one(search: _Discovery, entry: EntryPoint) -> PluginInfo:
    distribution, version = _identity(entry.dist)
    info = PluginInfo(entry.name, distribution, version, "failed")
    if entry.name in search.disabled:
        return replace(info, state="disabled")
    if first := search.owner_of(entry.name):
        twins = PluginError(
            f"{first} and {distribution} both bring a plugin of this name; that of {distribution} "
            "is not loaded."
        )
        search.fail(entry.name, twins, f"Run: pip uninstall {distribution}")
        return info
    try:
        plugin = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - must not break the rest
        search.fail(
            entry.name, error, f"Run: pip install --force-reinstall {distribution}, or switch it "
            f"off: {DISABLE_VARIABLE}={entry.name}"
        )  # fmt: skip
        return info
    lines = _collect(search, entry.name, plugin)
    return info if lines is None else replace(info, state="ok", pip_lines=lines)


def _collect(search: _Discovery, name: str, plugin: object) -> tuple[str, ...] | None:
    """Register one plugin and take its offers, all or none.

    Returns:
        The pip line of each extra of it that is not complete; None when it failed.
    """
    try:
        _check_api(plugin)
        _register(search.manager, name, plugin)
        collected = list(_offers_of(search.manager, plugin))
        _check_names(collected)
        lines = _pip_lines(offer for _, offer in collected)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - must not break the rest
        if search.manager.get_name(plugin) == name:
            search.manager.unregister(plugin)
        search.fail(name, error, _ask_author(name))
        return None
    for hook, offer in collected:
        search.offers[hook].append((name, offer))
    return lines


def _ask_author(name: str) -> str:
    return f"Ask its author for a fixed release, or switch it off: {DISABLE_VARIABLE}={name}"


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
            offers = cast("Any", implementation.function())
            if isinstance(offers, Offer) or not isinstance(offers, Iterable):
                raise PluginError(
                    f"{caller.name} gave {offers!r}, which is no iterable of {kind.__name__}."
                )
            for offer in offers:
                if not isinstance(offer, kind):
                    raise PluginError(
                        f"{caller.name} gave {offer!r}, which is not a {kind.__name__}."
                    )
                yield caller.name, offer


def _check_names(collected: Sequence[tuple[str, Offer]]) -> None:
    names = [(offer.kind, offer.name) for _, offer in collected]
    for kind, name in names:
        if names.count((kind, name)) > 1:
            raise PluginError(f"it offers the {kind} {name!r} twice.")


def _pip_lines(offers: Iterable[Offer]) -> tuple[str, ...]:
    parts = (
        part
        for offer in offers
        for part in (offer, *(offer.modalities if isinstance(offer, DomainSpec) else ()))
    )
    lines = {
        part.pip_line
        for part in parts
        if part.extra and not extras.is_complete(part.distribution, part.extra)
    }
    return tuple(sorted(line for line in lines if line))


def _merge(search: _Discovery) -> Registry:
    """Return the core's records with those of the plugins.

    A plugin whose registry cannot be used has failed as a whole: its models would be missing
    under names that its modalities promise.
    """
    core = read_core_registry()
    merged = core
    resources: dict[str, list[str]] = defaultdict(list)
    for owner, domain in search.offers["register_domains"]:
        if domain.registry is not None:
            resources[owner].append(domain.registry)
    for owner, paths in resources.items():
        try:
            added = merged
            for path in paths:
                added = merge_registries(added, read_resource(path, owner, base=core))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - must not break the rest
            search.fail(owner, error, _ask_author(owner))
            search.withdraw(owner)
        else:
            merged = added
    return merged


def _with_user_records(search: _Discovery, registry: Registry) -> Registry:
    """Overlay the user's records; they may refer to those of a plugin that is not there."""
    try:
        return registry.with_user_overlay()
    except RegistryError as error:
        lines = [str(error)]
        lines += [f"A plugin failed to load: {failure}" for failure in search.failures]
        lines += [f"{name} is switched off by {DISABLE_VARIABLE}." for name in search.disabled]
        raise RegistryError("\n".join(lines)) from error
