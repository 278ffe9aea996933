"""The doctor on plugins that are well, incomplete or broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def examined(site: Any, tmp_path: Path) -> Any:
    """Run the doctor in a process that finds the site's plugins; returns code and checks."""

    def run(disable: str = "") -> tuple[int, dict[str, dict[str, str]]]:
        target = tmp_path / "report.json"
        done = site.run("doctor", "--offline", "--output", str(target), disable=disable)
        assert "Traceback" not in done.stdout + done.stderr
        groups = json.loads(target.read_text())["groups"]
        (plugins,) = [group for group in groups if group["title"] == "Plugins and extras"]
        return done.returncode, {check["name"]: check for check in plugins["checks"]}

    return run


def test_a_broken_plugin_is_named_with_its_line_beside_one_that_is_well(
    site: Any, examined: Any
) -> None:
    site.add("sky", "import no_such_package_of_mine\n")
    site.add_good("astronomy")
    code, checks = examined()
    assert code == 1
    assert checks["plugin sky"]["status"] == "fail"
    assert "no_such_package_of_mine" in checks["plugin sky"]["found"]
    assert "pip install --force-reinstall fieldguide-sky" in checks["plugin sky"]["fix"]
    assert checks["plugin astronomy"]["status"] == "ok"


def test_a_plugin_without_its_extra_is_optional_with_the_pip_line(site: Any, examined: Any) -> None:
    site.add(
        "sky",
        loaders="yield loader('sky_loader', extra='full', distribution='fieldguide-sky')",
        metadata="Provides-Extra: full\nRequires-Dist: telescopes>=1; extra == 'full'\n",
    )
    code, checks = examined()
    assert checks["plugin sky"]["status"] == "optional"
    assert checks["plugin sky"]["fix"] == "pip install 'fieldguide-sky[full]'"
    assert code == 0


def test_a_plugin_that_is_switched_off_is_told(site: Any, examined: Any) -> None:
    site.add_good("astronomy")
    _, checks = examined(disable="astronomy")
    assert checks["plugin astronomy"]["status"] == "optional"
    assert "FIELDGUIDE_DISABLE" in checks["plugin astronomy"]["fix"]
