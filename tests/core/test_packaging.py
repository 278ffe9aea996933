"""The wheel holds what an installation needs, and runs without the extras' packages."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "fieldguide",
    "fieldguide_remote_sensing",
    "fieldguide_medical",
    "fieldguide_biodiversity",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_the_wheel_has_the_four_packages_the_registry_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert "fieldguide/registry.yaml" in names
    assert "fieldguide/writers/templates/base.html" in names
    assert all(f"{package}/py.typed" in names for package in PACKAGES)
    assert not [name for name in names if "test" in Path(name).name.lower() and "ing" not in name]


def test_the_wheel_ships_every_file_that_a_registry_names(unpacked: Path) -> None:
    script = (
        "from fieldguide import get_catalog\n"
        "from fieldguide.models.weights import locate, file_digest\n"
        "catalog = get_catalog()\n"
        "assert not catalog.failures, catalog.failures\n"
        "for record in catalog.registry.models:\n"
        "    assert record.origin.startswith(r'SITE'), record.origin\n"
        "    for weight in record.files.values():\n"
        "        if not hasattr(weight, 'hub'):\n"
        "            assert file_digest(locate(weight, record)) == weight.sha256\n"
        "print(len(catalog.registry.models))\n"
    ).replace("SITE", str(unpacked))
    done = _run_on(unpacked, script)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4


@pytest.mark.parametrize(
    "blocked", [("rasterio", "shapely", "spyndex"), ("monai", "nibabel", "pydicom"), ("skimage",)]
)
def test_core_and_the_other_domains_work_without_an_extras_packages(
    unpacked: Path, blocked: tuple[str, ...]
) -> None:
    script = (
        f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        "import numpy as np, fieldguide as fg\n"
        "image = np.zeros((32, 32, 3), np.uint8)\n"
        "assert not fg.get_catalog().failures\n"
        "print(fg.guide().classify([image], ['cat', 'dog'])[0].status)\n"
    )
    done = _run_on(unpacked, script)
    assert done.stdout.strip() == "ok", done.stderr


def _run_on(site: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the unpacked wheel first on the path."""
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{script}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=site
    )


def test_a_domain_reads_its_plain_images_without_the_packages_of_its_other_readers(
    unpacked: Path,
) -> None:
    script = (
        "import sys\nsys.modules['rasterio'] = None\n"
        "from PIL import Image\nimport fieldguide as fg\n"
        "Image.new('RGB', (300, 300), 'green').save('scene.jpg')\n"
        "print(fg.guide('remote_sensing').classify('scene.jpg', ['forest', 'sea'])[0].status)\n"
        "Image.new('RGB', (300, 300), 'green').save('scene.tif')\n"
        "try: fg.guide('remote_sensing').classify('scene.tif', ['forest', 'sea'])\n"
        "except fg.FieldguideError as error: print(error)\n"
    )
    done = _run_on(unpacked, script)
    assert done.stdout.startswith("ok\n"), done.stderr
    assert "pip install 'fieldguide[remote-sensing]'" in done.stdout
