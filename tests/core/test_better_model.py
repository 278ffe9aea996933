"""The line that names a larger model: when it is said, and when it would only be noise."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from PIL import Image

from fieldguide.cli import better_model as module
from fieldguide.cli import cli
from fieldguide.cli.better_model import better_model, describe
from fieldguide.extras import is_complete
from fieldguide.plugins import get_catalog
from fieldguide.registry import Registry, parse_registry
from fieldguide.specs import ModalitySpec
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = {"package": "weights", "version": "1", "path": "w", "sha256": "0" * 64}
PHOTO = ModalitySpec(name="photo", summary="x", loader=("image",))
BIRD = ModalitySpec(name="bird", summary="x", loader=("image",), broader="photo")


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A new process, in which nothing was said, on a machine without settings."""
    module._say.cache_clear()
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "FIELDGUIDE_REGISTRY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))


def registry(tmp_path: Path, recommended: dict[str, str], **own_files: object) -> Registry:
    record = {"summary": "x", "architecture": "open_clip", "scope": ["photo", "bird"],
              "licence": "MIT"}  # fmt: skip
    models = [
        {**record, "name": "small", "files": {"w": PACKAGE}},
        {**record, "name": "own", "files": own_files},
        {**record, "name": "large", "settings": {"hub": "org/large"}, "size_bytes": 605_000_000},
    ]
    content = {"version": 1, "models": models, "recommended": recommended,
               "defaults": {"photo": "own" if own_files else "small"}}  # fmt: skip
    return parse_registry(content, "test", tmp_path)


def test_the_recommended_model_is_named_where_the_embedded_default_was_used(tmp_path: Path) -> None:
    known = registry(tmp_path, {"photo": "large"})
    found = better_model(known, PHOTO, "small")
    assert found is not None
    assert describe(found) == "x; 605 MB, MIT"
    assert better_model(known, BIRD, "small") == found  # the default of the wider modality


def test_nothing_is_named_where_the_user_chose_or_nothing_is_recommended(tmp_path: Path) -> None:
    known = registry(tmp_path, {"photo": "large"})
    assert better_model(known, PHOTO, "large") is None
    assert better_model(known, PHOTO, None) is None
    assert better_model(registry(tmp_path, {}), PHOTO, "small") is None


def test_a_default_of_the_users_own_is_left_in_peace(tmp_path: Path) -> None:
    known = registry(tmp_path, {"photo": "large"}, w={"file": "w.safetensors"})
    assert better_model(known, PHOTO, "own") is None


@pytest.mark.skipif(
    not is_complete("fieldguide", "offline"), reason="needs the extra 'offline': the weights"
)
def test_the_line_is_said_once_on_stderr_and_not_when_quiet_offline_or_chosen(
    tmp_path: Path,
) -> None:
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "green").save(photo)
    tiny = write_tiny_checkpoint(tmp_path / "tiny")
    name = get_catalog().registry.recommended["photo"]
    words = ["classify", str(photo), "--label", "grass", "--label", "fire"]

    def errors(*more: str) -> str:
        os.environ["HF_HUB_OFFLINE"] = ""
        done = CliRunner().invoke(cli, [*words, *more])
        assert done.exit_code == 0
        assert name not in done.stdout
        return done.stderr

    silent = [("--quiet",), ("--model", str(tiny)), ("--offline",)]
    assert [name in errors(*more) for more in silent] == [False, False, False]
    assert f"--model {name} (" in errors()
    assert name not in errors()
