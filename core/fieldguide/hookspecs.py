"""The whole plugin contract.

A plugin is a module with ``api = 1`` and some of these functions, each marked with
``fieldguide.hookimpl`` and returning an iterable of specs. They are called once, when the
catalogue is built, and must import nothing heavy. Every hook is optional.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fieldguide.specs import (
        BackendSpec,
        BenchmarkSpec,
        CaptionConverterSpec,
        CommandSpec,
        DomainSpec,
        LoaderSpec,
        MethodSpec,
        ModelSpec,
        WriterSpec,
    )

PROJECT = "fieldguide"
API = 1
"""The plugin api that this release speaks. A plugin that asks for a newer one is refused."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks(Protocol):
    """What a plugin module may define."""

    @hookspec
    def register_domains(self) -> Iterable[DomainSpec]:
        """Offer domains: their modalities, command-line options, class sets and registry."""
        ...

    @hookspec
    def register_loaders(self) -> Iterable[LoaderSpec]:
        """Offer readers of file formats."""
        ...

    @hookspec
    def register_models(self) -> Iterable[ModelSpec]:
        """Offer architectures; their checkpoints are records of registry.yaml."""
        ...

    @hookspec
    def register_backends(self) -> Iterable[BackendSpec]:
        """Offer ways to run the image side of a model, chosen by ``--backend``."""
        ...

    @hookspec
    def register_caption_converters(self) -> Iterable[CaptionConverterSpec]:
        """Offer functions that turn labels and metadata into captions."""
        ...

    @hookspec
    def register_writers(self) -> Iterable[WriterSpec]:
        """Offer output formats, chosen by file suffix."""
        ...

    @hookspec
    def register_benchmarks(self) -> Iterable[BenchmarkSpec]:
        """Offer protocols with published results."""
        ...

    @hookspec
    def register_methods(self) -> Iterable[MethodSpec]:
        """Offer losses, classifiers, composers and other methods."""
        ...

    @hookspec
    def register_commands(self) -> Iterable[CommandSpec]:
        """Offer commands of a domain, ``fieldguide DOMAIN NAME``."""
        ...
