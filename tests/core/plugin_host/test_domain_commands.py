"""Commands that a plugin brings for its domain."""

from __future__ import annotations

from typing import Any

SOURCE = """
from fieldguide.specs import CommandSpec

@hookimpl
def register_commands():
    yield CommandSpec(name="count_stars", domain="sky", summary="Counts stars.",
                      target="star_commands:count")
    yield CommandSpec(name="no_command", domain="sky", summary="Is broken.",
                      target="star_commands:NUMBER")
    yield CommandSpec(name="needs_more", domain="sky", summary="Needs a package.",
                      target="star_needs:count", extra="sky", distribution="fieldguide-sky")
    yield CommandSpec(name="needs_later", domain="sky", summary="Needs a package when it works.",
                      target="star_commands:needs_later", extra="sky",
                      distribution="fieldguide-sky")
"""
COMMANDS = '''
import click
from fieldguide.errors import UsageError

print("star_commands was imported")
NUMBER = 1

@click.command()
@click.argument("name")
def count(name):
    """Count stars."""
    if name == "cloud":
        raise UsageError("it is cloudy. Wait for the night.")
    click.echo(f"{name}: 7 stars")

@click.command()
def needs_later():
    """Count with a driver."""
    import telescope_driver
'''


def add(site: Any) -> None:
    site.add(
        "sky",
        source=SOURCE,
        files={"star_commands.py": COMMANDS, "star_needs.py": "import telescope_driver\n"},
    )


def test_a_command_of_a_plugin_runs_under_its_domain(site: Any) -> None:
    add(site)
    done = site.run("sky", "count-stars", "Pleiades")
    assert done.returncode == 0, done.stderr
    assert "Pleiades: 7 stars" in done.stdout


def test_the_help_of_a_domain_lists_its_commands_and_imports_none(site: Any) -> None:
    add(site)
    done = site.run("sky", "--help")
    assert done.returncode == 0, done.stderr
    assert "count-stars" in done.stdout
    assert "Counts stars." in done.stdout
    assert "imported" not in done.stdout


def test_plugins_lists_the_commands_of_a_domain(site: Any) -> None:
    add(site)
    site.add("sky2", domains="yield domain('sky')", distribution="fieldguide-sky2")
    assert "fieldguide sky count-stars: Counts stars." in site.run("plugins").stdout


def test_an_error_of_a_command_is_shown_as_those_of_the_core(site: Any) -> None:
    add(site)
    done = site.run("sky", "count-stars", "cloud")
    assert done.returncode == 2
    assert done.stderr == "Error: it is cloudy. Wait for the night.\n"


def test_a_target_that_is_no_command_is_named(site: Any) -> None:
    add(site)
    done = site.run("sky", "no-command")
    assert done.returncode == 1
    assert "'star_commands:NUMBER', which is no click command" in done.stderr


def test_a_command_that_lacks_a_package_names_the_line_that_brings_it(site: Any) -> None:
    add(site)
    done = site.run("sky", "needs-more")
    assert done.returncode == 1
    assert "pip install 'fieldguide-sky[sky]'" in done.stderr


def test_a_command_that_lacks_a_package_only_when_it_works_names_the_line_too(site: Any) -> None:
    add(site)
    done = site.run("sky", "needs-later")
    assert done.returncode == 1
    assert "needs the package 'telescope_driver'" in done.stderr
    assert "pip install 'fieldguide-sky[sky]'" in done.stderr


def test_a_word_that_is_no_command_and_no_domain_is_a_usage_error(site: Any) -> None:
    add(site)
    done = site.run("skyy", "count-stars")
    assert done.returncode == 2
    assert "No such command 'skyy'" in done.stderr
