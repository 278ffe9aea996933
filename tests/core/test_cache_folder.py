"""Where the cache lies, and what happens where there can be none."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fieldguide.data.cache import NOWHERE, cache_folder, cache_subfolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIELDGUIDE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


def test_the_folder_the_user_names_comes_before_xdg_and_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "fieldguide"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "fieldguide"
    monkeypatch.setenv("FIELDGUIDE_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "home" / "mine"


def test_a_relative_xdg_folder_is_ignored_as_its_specification_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "fieldguide"


def test_no_folder_is_made_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))
    cache_folder()
    assert not (tmp_path / "cache").exists()
    assert cache_subfolder("texts") == tmp_path / "cache" / "texts"
    assert (tmp_path / "cache" / "texts").is_dir()


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_subfolder_is_the_users_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))
    folder = cache_subfolder("texts")
    assert folder is not None
    assert folder.stat().st_mode & 0o077 == 0


def test_a_cache_that_is_off_has_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")
    assert cache_folder() == NOWHERE
    assert cache_subfolder("texts") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_once_and_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.DEBUG, "fieldguide"):
        assert cache_subfolder("texts") is None
        assert cache_subfolder("texts") is None
    assert len([record for record in caplog.records if "nothing is kept" in record.message]) == 1


def test_a_read_only_disk_gives_no_subfolder(
    monkeypatch: pytest.MonkeyPatch, read_only_folder: Path
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(read_only_folder))
    assert cache_subfolder("texts") is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs to become another user")
def test_a_user_without_any_home_gets_no_folder_and_no_error() -> None:
    code = (
        "import os; os.setuid(54321); os.environ.pop('HOME', None)\n"
        "from fieldguide.data import cache\n"
        "print(cache.cache_folder() == cache.NOWHERE, cache.cache_subfolder('texts'))"
    )
    code = "import fieldguide.data.cache\n" + code  # the other user may not read our checkout
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "None"]


def test_the_module_imports_nothing_heavy() -> None:
    code = (
        "import sys, fieldguide.data.cache; print('numpy' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
