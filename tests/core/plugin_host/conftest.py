"""Fake installed distributions of plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions, entry_points
from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest

from fieldguide.plugins import (
    DISABLE_VARIABLE,
    Catalog,
    PluginFailure,
    PluginInfo,
    build_catalog,
)
from fieldguide.registry import USER_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
from fieldguide.hookspecs import hookimpl
from fieldguide.specs import DomainSpec, LoaderSpec, ModalitySpec
api = 1

def loader(name, **more):
    return LoaderSpec(**{"name": name, "summary": "x", "target": f"{__name__}_code:Loader",
                         "suffixes": (".sky",), **more})

def domain(name, **more):
    photo = ModalitySpec(name=f"{name}_photo", summary="x", loader=("image",))
    return DomainSpec(**{"name": name, "summary": "x", "modalities": (photo,), **more})
"""

SUITE = frozenset(entry.name for entry in entry_points(group="fieldguide"))


@dataclass
class Site:
    """A folder of fake installed distributions."""

    folder: Path
    suite: frozenset[str] = SUITE

    def add(
        self,
        name: str,
        source: str = "",
        *,
        loaders: str = "",
        domains: str = "",
        distribution: str | None = None,
        package: str | None = None,
        target: str | None = None,
        metadata: str = "",
        files: dict[str, str] | None = None,
    ) -> None:
        """Install a distribution of one package with the entry point ``name``.

        Args:
            name: of the plugin.
            source: the end of its module.
            loaders: the body of its hook ``register_loaders``.
            domains: the body of its hook ``register_domains``.
            distribution: by default ``fieldguide-<name>``.
            package: by default the distribution's name.
            target: of the entry point; by default the package.
            metadata: more lines of METADATA.
            files: more files of site-packages.
        """
        distribution = distribution or f"fieldguide-{name}"
        package = package or distribution.replace("-", "_")
        hooks = ""
        for hook, body in (("loaders", loaders), ("domains", domains)):
            if body:
                hooks += f"@hookimpl\ndef register_{hook}():\n{indent(body, '    ')}\n"
        info = f"{distribution.replace('-', '_')}-1.0.dist-info"
        head = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        written = {
            f"{info}/METADATA": head + dedent(metadata),
            f"{info}/entry_points.txt": f"[fieldguide]\n{name} = {target or package}\n",
            f"{package}/__init__.py": HEAD + hooks + source,
            **(files or {}),
        }
        for path, text in written.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text, "utf-8")

    def add_good(self, name: str = "astronomy") -> None:
        """Install a plugin that is well and offers the loader ``<name>_loader``."""
        self.add(name, loaders=f"yield loader('{name}_loader')")

    def entries(self) -> list[EntryPoint]:
        """Return the entry points of these distributions only."""
        found = distributions(path=[str(self.folder)])
        return [e for d in found for e in d.entry_points.select(group="fieldguide")]

    def catalog(self, *disabled: str) -> Catalog:
        """Return the catalogue of the core and these distributions."""
        return build_catalog(found=self.entries(), disabled=disabled)

    def run(self, *arguments: str, disable: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command line in a process that finds these distributions by itself."""
        path = os.pathsep.join(filter(None, (str(self.folder), os.environ.get("PYTHONPATH"))))
        off = ",".join((*sorted(SUITE), disable))
        return subprocess.run(
            [sys.executable, "-m", "fieldguide", *arguments],
            env=os.environ | {"PYTHONPATH": path, DISABLE_VARIABLE: off},
            capture_output=True,
            text=True,
            check=False,
        )

    @staticmethod
    def info_of(catalog: Catalog, name: str) -> PluginInfo:
        """Return the one plugin of a name."""
        (found,) = [info for info in catalog.plugins if info.name == name]
        return found

    @staticmethod
    def failure_of(catalog: Catalog, name: str) -> PluginFailure:
        """Return the one failure of a plugin."""
        (found,) = [failure for failure in catalog.failures if failure.plugin == name]
        return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A folder for distributions on the path; its modules are forgotten after the test."""
    monkeypatch.delenv(USER_VARIABLE, raising=False)
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return Site(folder)
