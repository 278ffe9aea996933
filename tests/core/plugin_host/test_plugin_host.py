"""Plugins that are broken in every way known, beside others that are well."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.errors import UnknownNameError
from fieldguide.plugins import DISABLE_VARIABLE, build_catalog
from fieldguide.registry import read_core_registry

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Broken:
    """A broken plugin: parts of what is said and advised, and how it is installed."""

    said: str
    how: Mapping[str, Any]
    advised: str = "FIELDGUIDE_DISABLE=broken"


def fails_to_load(said: str, **how: Any) -> Broken:
    return Broken(said, how, "pip install --force-reinstall fieldguide-broken")


def fails_to_register(said: str, **how: Any) -> Broken:
    return Broken(said, how)


def has_bad_records(
    said: str, text: str | None, resource: str = "fieldguide_broken:records.yaml"
) -> Broken:
    files = {} if text is None else {"fieldguide_broken/records.yaml": text}
    domains = f"yield domain('lost_domain', registry={resource!r})"
    return Broken(said, {"loaders": "yield loader('lost')", "domains": domains, "files": files})


MODEL = """
version: 1
models:
  - {name: embedded_conse, summary: x, architecture: open_clip, embed_dim: 8, image_size_px: 8,
     scope: [photo], licence: MIT}
"""

BROKEN = {
    "raises": fails_to_load("the moon is full", source="raise RuntimeError('the moon is full')"),
    "is_no_python": fails_to_load("SyntaxError", source="def wrong(:\n"),
    "exits": fails_to_load("SystemExit: 3", source="raise SystemExit(3)"),
    "imports_what_is_missing": fails_to_load("not_there_at_all", source="import not_there_at_all"),
    "is_not_there": fails_to_load("no_such_module", target="no_such_module"),
    "lacks_the_attribute": fails_to_load("attribute 'nope'", target="fieldguide_broken:nope"),
    "points_nowhere": fails_to_load("AttributeError", target="!!"),
    "says_no_api": fails_to_register("needs a line 'api = 1'", source="del api"),
    "wants_a_newer_api": fails_to_register("pip install --upgrade fieldguide", source="api = 2"),
    "has_an_unknown_hook": fails_to_register(
        "register_telescopes", source="@hookimpl\ndef register_telescopes():\n    return ()\n"
    ),
    "takes_a_wrong_argument": fails_to_register(
        "{'cli'}", source="@hookimpl\ndef register_loaders(cli):\n    return ()\n"
    ),
    "offers_an_invalid_spec": fails_to_register(
        "LoaderSpec is not valid: name: String should match", loaders="yield loader('Bad Name')"
    ),
    "offers_no_spec": fails_to_register(
        "{'name': 'x'}, which is not a LoaderSpec", loaders="yield {'name': 'x'}"
    ),
    "offers_another_kind": fails_to_register(
        "which is not a LoaderSpec", loaders="yield domain('sky')"
    ),
    "offers_a_text": fails_to_register("'s', which is not a LoaderSpec", loaders="return 'sky'"),
    "offers_none": fails_to_register("gave None, which is no iterable", loaders="pass"),
    "forgets_the_comma": fails_to_register(
        "which is no iterable of LoaderSpec", loaders="return loader('sky')"
    ),
    "fails_half_way": fails_to_register(
        "'stars'", loaders="yield loader('lost')\nraise KeyError('stars')"
    ),
    "exits_in_a_hook": fails_to_register("SystemExit: bye", loaders="raise SystemExit('bye')"),
    "offers_one_name_twice": fails_to_register(
        "the loader 'twin' twice", loaders="yield loader('twin')\nyield loader('twin')"
    ),
    "leaves_its_folder": has_bad_records("stay inside", None, "fieldguide_broken:../x.yaml"),
    "has_no_registry": has_bad_records("FileNotFoundError", None),
    "has_a_registry_of_nobody": has_bad_records("nobody_at_all", None, "nobody_at_all:x.yaml"),
    "has_a_registry_that_is_no_yaml": has_bad_records("is not YAML", "a: [b"),
    "has_a_registry_that_is_no_text": has_bad_records("is not YAML", "\x00"),
    "has_an_empty_registry": has_bad_records("is not a registry", ""),
    "has_an_invalid_registry": has_bad_records(
        "models.0.summary: Field required", "{version: 1, models: [{name: x}]}"
    ),
    "has_a_default_without_a_model": has_bad_records(
        "names the model 'no_model'", "{version: 1, defaults: {lost_domain_photo: no_model}}"
    ),
    "redefines_a_model": has_bad_records("redefines models: embedded_conse", MODEL),
    "redefines_a_default": has_bad_records(
        "redefines defaults: photo", "{version: 1, defaults: {photo: embedded_conse}}"
    ),
}


def renamed(how: Any, name: str) -> Any:
    """Return how a plugin is installed with another name in place of "broken"."""
    if isinstance(how, dict):
        return {renamed(key, name): renamed(value, name) for key, value in how.items()}
    return how.replace("fieldguide_broken", f"fieldguide_{name}")


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_named_once_and_offers_nothing_while_the_others_work(
    case: Broken, site: Any
) -> None:
    site.add("broken", **case.how)
    site.add_good("astronomy")
    site.add_good("zoology")

    catalog = site.catalog()

    failure = site.failure_of(catalog, "broken")
    assert case.said in failure.reason
    assert case.advised in str(failure)
    assert "\n" not in str(failure)
    states = [(info.name, info.state) for info in catalog.plugins]
    assert states == [("astronomy", "ok"), ("broken", "failed"), ("zoology", "ok")]
    assert list(catalog.loaders) == ["astronomy_loader", "image", "zoology_loader"]
    assert list(catalog.domains) == ["general"]
    assert catalog.registry == read_core_registry()


@pytest.mark.slow
def test_the_list_of_plugins_says_of_each_what_is_wrong_and_what_to_do(site: Any) -> None:
    for name, case in BROKEN.items():
        site.add(name, **renamed(case.how, name))
    site.add_good()

    done = site.run("plugins", "--strict")

    assert done.returncode == 1
    assert "astronomy (fieldguide-astronomy 1.0): ok" in done.stdout
    problems = done.stderr.splitlines()
    assert len(problems) == len(BROKEN)
    for name, case in BROKEN.items():
        assert f"{name} (fieldguide-{name} 1.0): failed" in done.stdout
        (problem,) = [line for line in problems if line.startswith(f"problem: {name}: ")]
        assert case.said in problem
        assert case.advised.replace("broken", name) in problem


@pytest.mark.slow
def test_one_broken_plugin_is_enough_for_strict_to_fail(site: Any) -> None:
    site.add("broken", "raise SystemExit")
    site.add_good()

    assert site.run("plugins", "--strict").returncode == 1
    assert site.run("plugins").returncode == 0


@pytest.mark.slow
def test_all_is_well_when_the_broken_plugin_is_switched_off(site: Any) -> None:
    site.add("broken", "raise RuntimeError")
    site.add_good()

    done = site.run("plugins", "--strict", disable="broken")

    assert (done.returncode, done.stderr) == (0, "")
    assert "broken (fieldguide-broken 1.0): disabled" in done.stdout
    assert "astronomy (fieldguide-astronomy 1.0): ok" in done.stdout


def test_a_plugin_that_is_switched_off_is_not_imported(site: Any) -> None:
    site.add_good()

    catalog = site.catalog("astronomy")

    assert site.info_of(catalog, "astronomy").state == "disabled"
    assert "fieldguide_astronomy" not in sys.modules
    assert catalog.problems() == ()


def test_the_environment_switches_plugins_off_by_a_list_with_spaces(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_good("astronomy")
    site.add_good("zoology")
    monkeypatch.setenv(DISABLE_VARIABLE, " astronomy , zoology,")

    catalog = build_catalog(found=site.entries())

    assert [info.state for info in catalog.plugins] == ["disabled", "disabled"]


def test_an_interrupt_by_the_user_is_not_taken_for_a_broken_plugin(site: Any) -> None:
    site.add("broken", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        site.catalog()


def test_an_unknown_name_tells_of_the_broken_plugin_once(site: Any) -> None:
    site.add("broken", "raise RuntimeError('the moon is full')")
    site.add_good()

    with pytest.raises(UnknownNameError) as caught:
        site.catalog().loaders["astronomy_loaders"]

    assert "Did you mean 'astronomy_loader'?" in str(caught.value)
    assert str(caught.value).count("the moon is full") == 1
    assert "fieldguide plugins" in str(caught.value)


@pytest.mark.parametrize("content", [b"[fieldguide]\ngarbage\n", b"\xff[fieldguide]"])
def test_entry_points_that_cannot_be_read_hide_no_other_plugin(site: Any, content: bytes) -> None:
    site.add_good()
    site.add("broken")
    entries = site.folder / "fieldguide_broken-1.0.dist-info" / "entry_points.txt"
    entries.write_bytes(content)

    catalog = build_catalog(disabled=site.suite)

    assert {info.name for info in catalog.plugins} == {"astronomy", *site.suite}
    assert site.info_of(catalog, "astronomy").state == "ok"
    failure = site.failure_of(catalog, "fieldguide-broken")
    assert failure.advice == "Run: pip install --force-reinstall fieldguide-broken"


def test_metadata_that_cannot_be_read_are_unknown(site: Any) -> None:
    site.add_good()
    metadata = site.folder / "fieldguide_astronomy-1.0.dist-info" / "METADATA"
    metadata.write_bytes(b"\xff\xfe")

    info = site.info_of(site.catalog(), "astronomy")

    assert (info.distribution, info.version, info.state) == ("unknown", "unknown", "ok")
