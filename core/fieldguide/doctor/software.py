"""Versions, and whether they are those that the installed distribution asks for."""

from __future__ import annotations

import functools
import importlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from fieldguide import __version__
from fieldguide.doctor.checks import Check
from fieldguide.extras import missing_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROJECT = "fieldguide"
SHOWN = ("torch", "torchvision", "open_clip_torch", "transformers", "tokenizers", "numpy",
         "pillow", "lancedb")  # fmt: skip
NOT_FOR_USERS = ("dev",)


def software_checks() -> Iterator[Check]:
    """Yield what is installed and what does not fit together."""
    yield Check("fieldguide", "ok", f"{__version__} in {Path(__file__).parents[1]}")
    yield _python()
    yield _torch()
    found = [f"{name} {known}" for name in SHOWN if (known := installed_version(name))]
    yield Check("packages", "ok", ", ".join(found))
    yield from floor_checks(PROJECT)
    for name in ("torchvision", "open_clip_torch"):  # a torch of its own release, or none at all
        yield from _conflicts(name)


def extra_checks() -> Iterator[Check]:
    """Yield, for each extra that users install, whether it is complete."""
    try:
        offered = metadata(PROJECT).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return
    for extra in offered:
        if extra in NOT_FOR_USERS:
            continue
        missing = missing_packages(PROJECT, extra)
        if missing:
            yield Check(f"[{extra}]", "optional", f"not installed: {', '.join(missing)}",
                        f"pip install '{PROJECT}[{extra}]'")  # fmt: skip
        else:
            yield Check(f"[{extra}]", "ok", "complete")


def floor_checks(distribution: str) -> Iterator[Check]:
    """Yield what a distribution needs and does not have, or that it has it all.

    A requirement of an extra counts only where its package is installed: in a version that does
    not fit it is worse than missing.
    """
    try:
        requirements = [Requirement(line) for line in requires(distribution) or ()]
    except PackageNotFoundError:
        yield Check("dependencies", "fail", f"{distribution} is not installed as a package",
                    f"pip install {distribution}")  # fmt: skip
        return
    own = [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    optional = [r for r in requirements if r not in own and installed_version(r.name)]
    unmet = [*_unmet(own, "fail"), *_unmet(optional, "warn")]
    yield from unmet
    if not unmet:
        yield Check("dependencies", "ok", f"all {len(own)} in versions that fit")


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _unmet(requirements: Iterable[Requirement], status: str) -> Iterator[Check]:
    for requirement in requirements:
        found = installed_version(requirement.name)
        if found is not None and requirement.specifier.contains(found, prereleases=True):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        what = "is not installed" if found is None else f"is {found}"
        yield Check(requirement.name, "fail" if status == "fail" else "warn",
                    f"{what}; needed: {wanted}", f"pip install '{wanted}'")  # fmt: skip


def _conflicts(name: str) -> Iterator[Check]:
    """Yield what an installed package needs in another version, as 'pip check' would."""
    if installed_version(name) is None:
        return
    needed = [Requirement(line) for line in requires(name) or ()]
    own = [r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    for check in _unmet(own, "fail"):
        yield Check(f"{name} needs {check.name}", "fail", check.found,
                    f"pip install --upgrade {name} {check.name}")  # fmt: skip


def _python() -> Check:
    found = f"{platform.python_version()} at {sys.executable}"
    try:
        needed = "".join(metadata(PROJECT).get_all("Requires-Python") or ())
    except PackageNotFoundError:
        needed = ""
    if needed and not Requirement(f"python{needed}").specifier.contains(platform.python_version()):
        return Check("Python", "fail", f"{found}; needed: {needed}",
                     f"install Python {needed}, then: pip install {PROJECT}")  # fmt: skip
    return Check("Python", "ok", found)


@functools.cache
def import_torch() -> tuple[Any, str]:
    """Return torch and nothing, or None and why a package that is installed is still broken."""
    try:
        return importlib.import_module("torch"), ""
    except Exception as error:  # noqa: BLE001 - a missing library of the system, a half install
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _torch() -> Check:
    torch, reason = import_torch()
    if torch is None:
        return Check("torch", "fail", f"cannot be imported: {reason}",
                     "pip install --force-reinstall torch torchvision")  # fmt: skip
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    build = f"ROCm {torch.version.hip}" if torch.version.hip else build
    return Check("torch", "ok", f"{torch.__version__}, built with {build}")
