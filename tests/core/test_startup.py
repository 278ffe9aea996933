"""What a fresh process has imported; the cause of a slow start, so that no clock is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from fieldguide.extras import is_complete

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    *("torch", "torchvision", "numpy", "PIL", "open_clip", "peft", "transformers", "timm"),
    *("monai", "lancedb", "pyarrow", "sklearn", "skimage", "rasterio", "pydicom", "nibabel"),
}
NOT_FOR_A_PHOTOGRAPH = {
    *("open_clip", "peft", "monai", "lancedb", "transformers", "timm", "torchvision", "sklearn"),
}
LIST_MODULES = """
import json, sys
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
RUN = """
import sys
from fieldguide.cli import main
sys.argv = ["fieldguide", *{arguments!r}]
try:
    main()
except SystemExit as done:
    if done.code:
        raise
"""

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_records_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIELDGUIDE_REGISTRY", raising=False)
    monkeypatch.delenv("FIELDGUIDE_DISABLE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))


def imported_by(code: str) -> tuple[set[str], str]:
    """Return the top packages that a fresh process has imported after some code, and its output."""
    done = subprocess.run(
        [sys.executable, "-c", code + LIST_MODULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1])), done.stdout


def imported_by_command(*arguments: str) -> tuple[set[str], str]:
    return imported_by(RUN.format(arguments=arguments))


def test_the_check_sees_what_is_imported() -> None:
    modules, _ = imported_by("import numpy")
    assert HEAVY & modules == {"numpy"}


@pytest.mark.parametrize(
    "code",
    [
        "import fieldguide",
        "import fieldguide; fieldguide.get_catalog()",
        "import fieldguide; fieldguide.hookimpl, fieldguide.Sample, fieldguide.InputContract",
    ],
)
def test_using_the_light_part_of_the_package_imports_nothing_heavy(code: str) -> None:
    modules, _ = imported_by(code)
    assert HEAVY & modules == set()


def test_the_list_of_commands_needs_no_catalogue() -> None:
    modules, output = imported_by_command("--help")
    assert "classify" in output
    assert {"pydantic", "pluggy", "yaml"} & modules == set()


def test_importing_the_package_imports_none_of_its_dependencies() -> None:
    modules, _ = imported_by("import fieldguide")
    assert {"click", "pluggy", "pydantic", "yaml"} & modules == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--help",), "classify"),
        (("--version",), "version"),
        (("plugins",), "core: ok"),
        (("models",), "embedded_conse"),
        (("classify", "--help"), "--label"),
        (("search", "--help"), "--where"),
        (("doctor", "--help"), "--offline"),
    ],
)
def test_a_command_that_only_tells_imports_nothing_heavy(
    arguments: tuple[str, ...], said: str
) -> None:
    modules, output = imported_by_command(*arguments)
    assert said in output
    assert HEAVY & modules == set()


@pytest.mark.skipif(
    not is_complete("fieldguide", "offline"), reason="needs the extra 'offline': the weights"
)
def test_classifying_a_photograph_imports_no_more_than_the_embedded_model_needs(
    tmp_path: Path,
) -> None:
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "green").save(photo)

    modules, output = imported_by_command(
        "classify", str(photo), "--label", "grass", "--label", "fire", "--quiet"
    )

    assert "grass" in output
    assert "torch" in modules
    assert NOT_FOR_A_PHOTOGRAPH & modules == set()
