"""Offers whose packages or code are missing: each says the line or the culprit."""

from __future__ import annotations

from typing import Any

import pytest

from fieldguide.errors import MissingExtraError, PluginError
from fieldguide.extras import missing_packages

METADATA = """\
    Provides-Extra: full
    Requires-Dist: click
    Requires-Dist: telescope-driver>=2; extra == 'full'
    Requires-Dist: fieldguide-sky[lens]; extra == 'full'
    Provides-Extra: lens
    Requires-Dist: polished-glass; extra == 'lens'
    Provides-Extra: light
    Requires-Dist: click; extra == 'light'
    """
PIP_LINE = "pip install 'fieldguide-sky[full]'"


def add_sky(site: Any, extra: str) -> None:
    """Install a plugin whose loader needs an extra and imports a package that is missing."""
    site.add(
        "sky",
        loaders=f"yield loader('stars', extra={extra!r}, distribution='fieldguide-sky')",
        metadata=METADATA,
        files={"fieldguide_sky_code.py": "import telescope_driver\nclass Loader: pass\n"},
    )


def test_an_extra_is_followed_through_the_extras_that_it_names(site: Any) -> None:
    add_sky(site, "full")

    assert missing_packages("fieldguide-sky", "full") == ("polished-glass", "telescope-driver")
    assert missing_packages("fieldguide-sky", "light") == ()
    assert missing_packages("not-installed", "full") == ("not-installed",)


def test_an_offer_without_its_extra_is_listed_and_says_the_line_when_used(site: Any) -> None:
    add_sky(site, "full")

    catalog = site.catalog()

    assert site.info_of(catalog, "sky").pip_lines == (PIP_LINE,)
    assert catalog.problems() == ()
    with pytest.raises(MissingExtraError) as caught:
        catalog.loaders["stars"].load()
    assert "telescope_driver" in str(caught.value)
    assert PIP_LINE in str(caught.value)


def test_an_offer_whose_extra_is_complete_needs_no_line(site: Any) -> None:
    add_sky(site, "light")

    assert site.info_of(site.catalog(), "sky").pip_lines == ()


def test_the_extra_of_a_modality_is_listed_too(site: Any) -> None:
    night = "name='night', summary='x', loader=('image',), extra='full'"
    site.add(
        "sky",
        domains=f"night = ModalitySpec({night}, distribution='fieldguide-sky')\n"
        "yield domain('sky', modalities=(night,))",
        metadata=METADATA,
    )

    assert site.info_of(site.catalog(), "sky").pip_lines == (PIP_LINE,)


@pytest.mark.slow
def test_the_list_of_plugins_gives_the_line_that_completes_one(site: Any) -> None:
    add_sky(site, "full")

    done = site.run("plugins", "--strict")

    assert f"incomplete. Run: {PIP_LINE}" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")  # incomplete is no fault


def test_requirements_that_cannot_be_read_are_the_plugins_failure(site: Any) -> None:
    site.add(
        "sky",
        loaders="yield loader('stars', extra='full', distribution='fieldguide-sky')",
        metadata="Requires-Dist: ???",
    )
    site.add_good()

    catalog = site.catalog()

    assert "InvalidRequirement" in site.failure_of(catalog, "sky").reason
    assert list(catalog.loaders) == ["astronomy_loader", "image"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("fieldguide_sky.nope:Loader", "does not exist"),
        ("not_there_at_all.code:Loader", "does not exist"),
        ("fieldguide_sky:nope", "does not exist"),
        ("sky_that_fails:Loader", "ZeroDivisionError"),
        ("sky_that_exits:Loader", "SystemExit"),
        ("sky_that_moved:Loader", "ImportError"),
    ],
)
def test_a_target_that_cannot_be_imported_is_the_plugins_error(
    site: Any, target: str, said: str
) -> None:
    site.add(
        "sky",
        loaders=f"yield loader('stars', target={target!r}, extra='full')",
        files={
            "sky_that_fails.py": "1 / 0",
            "sky_that_exits.py": "raise SystemExit",
            "sky_that_moved.py": "from os import no_such_name",
        },
    )

    with pytest.raises(PluginError, match=said) as caught:
        site.catalog().loaders["stars"].load()

    assert "'stars'" in str(caught.value)
    assert "pip install" not in str(caught.value)  # no extra would help
