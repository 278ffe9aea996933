"""What runs a model, what decodes pictures, and what earlier measurements decided."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from fieldguide.data.cache import cache_folder
from fieldguide.doctor.checks import Check
from fieldguide.doctor.software import installed_version
from fieldguide.extras import is_complete

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fieldguide.plugins import Catalog
    from fieldguide.specs import BackendSpec

PROBES = "probes"
MOST_CHARACTERS = 300
NAME_CHARACTERS = 8  # of a name that is a digest


def backend_checks(catalog: Catalog | None) -> Iterator[Check]:
    """Yield each backend, the decoder and the stored decisions."""
    if catalog is not None:
        yield from (backend_check(spec) for spec in catalog.backends.usable())
    yield decoder_check()
    yield decode_check()
    yield resize_check()
    yield from probe_checks(cache_folder() / PROBES)


def backend_check(spec: BackendSpec) -> Check:
    """Return whether a backend is installed, or the line that brings it."""
    name = f"--backend {spec.name}"
    if spec.extra and not is_complete(spec.distribution, spec.extra):
        return Check(name, "optional", f"{spec.summary}; not installed", spec.pip_line or "")
    found = [f"{p} {known}" for p in spec.packages if (known := installed_version(p))]
    return Check(name, "ok", f"{spec.summary}: {', '.join(found)}")


def decoder_check() -> Check:
    """Return what decodes JPEG files."""
    try:
        from PIL import features  # a broken Pillow is a finding, not a crash
    except ImportError as error:
        return Check("pictures", "fail", f"Pillow cannot be imported: {error}",
                     "pip install --force-reinstall pillow")  # fmt: skip
    formats = {"jpg": "JPEG", "zlib": "PNG", "webp": "WebP", "libtiff": "compressed TIFF"}
    missing = [name for feature, name in formats.items() if not features.check(feature)]
    turbo = features.version_feature("libjpeg_turbo")
    jpeg = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    found = f"Pillow {installed_version('pillow')} with {jpeg}"
    if missing:
        return Check("pictures", "warn", f"{found}, built without {', '.join(missing)}",
                     "pip install --force-reinstall --only-binary :all: pillow")  # fmt: skip
    return Check("pictures", "ok", found)


def decode_check() -> Check:
    """Return which decoder reads JPEGs; both give the same pixels."""
    try:
        from fieldguide.data.jpeg import agrees_with_pillow  # torch or Pillow may be broken
    except ImportError as error:
        return Check("decoding", "fail", f"cannot be imported: {error}",
                     "pip install --force-reinstall torch pillow")  # fmt: skip
    if agrees_with_pillow():
        return Check("decoding", "ok", "JPEGs by torchvision's decoder; pixels equal Pillow's")
    found = "JPEGs by Pillow: torchvision's decoder is missing or gives other pixels"
    return Check("decoding", "optional", found, "pip install --upgrade torchvision")


def resize_check() -> Check:
    """Return whether large pictures are resized by the fast way, which gives Pillow's pixels."""
    try:
        from fieldguide.models.resample import agrees_with_pillow  # numpy and Pillow may be broken
    except ImportError as error:
        return Check("resizing", "fail", f"cannot be imported: {error}",
                     "pip install --force-reinstall numpy pillow")  # fmt: skip
    if agrees_with_pillow():
        return Check("resizing", "ok", "the fast way for large pictures; pixels equal Pillow's")
    return Check("resizing", "warn", "by Pillow: a trial of the fast way gave other pixels",
                 "pip install --upgrade fieldguide; only speed is lost")  # fmt: skip


def probe_checks(folder: Path) -> Iterator[Check]:
    """Yield what was measured on this machine before, such as whether bf16 pays."""
    try:
        paths = sorted(folder.glob("*.json"))
    except OSError:
        return
    for path in paths:
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            yield Check("probe", "warn", f"{path} cannot be read", f"rm {path}")
            continue
        yield Check("probe", "ok", f"{path.stem[:NAME_CHARACTERS]}: {_in_words(content)}")


def _in_words(content: Any) -> str:
    """Return the plain values of a record and of the records inside it."""
    parts = [f"{name} {_value(value)}" for name, value in _plain(content)]
    return textwrap.shorten(", ".join(parts), MOST_CHARACTERS, placeholder=" ...")


def _plain(content: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        return
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _plain(value)
        elif isinstance(value, str | int | float):
            yield name, value


def _value(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
