"""Names that are offered twice: by two plugins, by two distributions, in two registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.errors import AmbiguousNameError, RegistryError
from fieldguide.plugins import build_catalog
from fieldguide.registry import USER_VARIABLE, read_core_registry

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
version: 1
models:
  - {name: sky_model, summary: x, architecture: open_clip, embed_dim: 8, image_size_px: 8,
     scope: [photo], licence: MIT, trained_on: [imagenet_1k]}
"""


def test_a_name_that_two_plugins_offer_is_an_error_only_when_it_is_used(site: Any) -> None:
    site.add("astronomy", loaders="yield loader('twin')\nyield loader('star')")
    site.add("zoology", loaders="yield loader('twin')")

    catalog = site.catalog()

    assert catalog.failures == ()
    assert catalog.loaders["star"].name == "star"
    assert [spec.name for spec in catalog.loaders.usable()] == ["image", "star"]
    with pytest.raises(AmbiguousNameError, match=r"astronomy, zoology.*FIELDGUIDE_DISABLE=zoology"):
        catalog.loaders["twin"]
    (problem,) = catalog.problems()
    assert "'twin' is offered by 2 plugins: astronomy, zoology" in problem


@pytest.mark.slow
def test_the_list_of_plugins_names_both_that_offer_one_domain(site: Any) -> None:
    site.add("astronomy", domains="yield domain('sky')")
    site.add("zoology", domains="yield domain('sky')")

    done = site.run("plugins", "--strict")

    assert done.returncode == 1
    assert "The domain 'sky' is offered by 2 plugins: astronomy, zoology" in done.stderr
    assert "FIELDGUIDE_DISABLE=zoology" in done.stderr


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_distributions_with_one_plugin_name_the_first_works_and_both_are_named(
    site: Any, order: int
) -> None:
    site.add("sky", loaders="yield loader('moon')", distribution="almanac")
    site.add("sky", loaders="yield loader('sun')", distribution="zenith")

    catalog = build_catalog(found=site.entries()[::order], disabled=())

    assert list(catalog.loaders) == ["image", "moon"]
    states = [(info.distribution, info.state) for info in catalog.plugins]
    assert states == [("almanac", "ok"), ("zenith", "failed")]
    failure = site.failure_of(catalog, "sky")
    assert "almanac and zenith" in failure.reason
    assert failure.advice == "Run: pip uninstall zenith"


def test_a_plugin_cannot_take_the_name_of_one_of_the_suite(site: Any) -> None:
    site.add("sky", loaders="yield loader('moon')", distribution="almanac")
    site.add("sky", loaders="yield loader('sun')", distribution="fieldguide", package="suite")

    assert list(site.catalog().loaders) == ["image", "sun"]


def test_of_two_with_one_name_the_second_works_when_the_first_is_broken(site: Any) -> None:
    site.add("sky", "raise RuntimeError", distribution="almanac")
    site.add("sky", loaders="yield loader('sun')", distribution="zenith")

    assert list(site.catalog().loaders) == ["image", "sun"]


def test_one_module_under_two_names_works_once(site: Any) -> None:
    site.add("sky", loaders="yield loader('sun')")
    site.add("sky_again", target="fieldguide_sky")

    catalog = site.catalog()

    assert catalog.loaders.owners("sun") == ("sky",)
    assert "already registered" in site.failure_of(catalog, "sky_again").reason


def test_a_plugin_cannot_pass_for_the_core(site: Any) -> None:
    site.add_good("core")

    catalog = site.catalog()

    assert list(catalog.loaders) == ["image"]
    assert list(catalog.domains) == ["general"]
    assert site.info_of(catalog, "core").state == "failed"
    assert "fieldguide and fieldguide-core both" in site.failure_of(catalog, "core").reason


def test_of_two_plugins_with_one_model_name_the_second_fails(site: Any) -> None:
    for name in ("astronomy", "zoology"):
        site.add(
            name,
            domains=f"yield domain({name!r}, registry='fieldguide_{name}:records.yaml')",
            files={f"fieldguide_{name}/records.yaml": MODEL},
        )

    catalog = site.catalog()

    assert list(catalog.domains) == ["astronomy", "general"]
    assert "redefines models: sky_model" in site.failure_of(catalog, "zoology").reason


def test_a_plugins_registry_may_refer_to_the_records_of_the_core(site: Any) -> None:
    site.add(
        "sky",
        domains="yield domain('sky', registry='fieldguide_sky:data/records.yaml')",
        files={"fieldguide_sky/data/records.yaml": MODEL},
    )

    catalog = site.catalog()

    assert catalog.problems() == ()
    assert catalog.registry.model("sky_model").origin == str(site.folder / "fieldguide_sky/data")
    assert catalog.registry.model("embedded_conse")


def test_a_broken_second_registry_takes_the_records_of_the_first_back(site: Any) -> None:
    site.add(
        "sky",
        domains="yield domain('sun', registry='fieldguide_sky:records.yaml')\n"
        "yield domain('moon', registry='fieldguide_sky:nope.yaml')",
        files={"fieldguide_sky/records.yaml": MODEL},
    )

    catalog = site.catalog()

    assert catalog.registry == read_core_registry()
    assert list(catalog.domains) == ["general"]


def test_the_users_registry_that_needs_an_absent_plugin_names_that_plugin(
    site: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.add("broken", "raise RuntimeError('the moon is full')")
    site.add_good()
    own = tmp_path / "own.yaml"
    own.write_text("{version: 1, defaults: {stars: star_model}}", "utf-8")
    monkeypatch.setenv(USER_VARIABLE, str(own))

    with pytest.raises(RegistryError) as caught:
        site.catalog("astronomy")

    assert f"{own} is not valid" in str(caught.value)
    assert "star_model" in str(caught.value)
    assert "the moon is full" in str(caught.value)
    assert "astronomy is switched off" in str(caught.value)
