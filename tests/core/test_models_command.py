"""``fieldguide models``: the list, one model, published results."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from fieldguide.cli import cli
from fieldguide.errors import UnknownNameError
from fieldguide.plugins import get_catalog


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["models", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_the_list_has_a_group_for_what_is_ready_what_downloads_and_what_needs_other_code() -> None:
    ready, downloads, other = re.split(r"^(?=\S)", run(), flags=re.MULTILINE)[1:]

    assert ready.startswith("Ready offline:")
    assert "  embedded_conse (default for photo): " in ready
    assert downloads.startswith("Downloads its weights at first use:")
    assert "  remoteclip_vit_l_14 (recommended for rgb_scene): " in downloads
    assert other.startswith("Known, but needs other code")
    assert "  conch: " in other


def test_a_line_has_scope_size_licence_and_limits() -> None:
    lines = run().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  conch: "))
    assert lines[at + 1].startswith(
        "    scope histology_tile; 512-d; size not known; CC-BY-NC-ND-4.0, research use only; "
        "gated: accept its terms on the hub first; limits: non-commercial academic research only;"
    )


def test_every_model_is_in_the_list() -> None:
    output = run()
    for record in get_catalog().registry.models:
        assert re.search(rf"^  {record.name}[ :]", output, re.MULTILINE)


def test_one_model_is_shown_with_contract_files_use_and_results() -> None:
    output = run("remoteclip_vit_l_14")
    flat = " ".join(output.split())
    for said in (
        "licence Apache-2.0",
        "224 x 224 px by center_crop, bicubic; bands red, green, blue in srgb8; mean 122.771",
        "sha256 fcc2a7e21e171f4ffcb7a9c0206b8b74ac0c9eb83c67b576958b7a4ed6c8cecb",
        "to use it: --model remoteclip_vit_l_14",
        "hf download chendelong/RemoteCLIP RemoteCLIP-ViT-L-14.pt --revision bf1d8a3",
        "36.35 % RemoteCLIP ViT-L-14",
        "five captions an image",
        "source: https://github.com/ChenDelong1999/RemoteCLIP (verified)",
        "(verified): read in the authors' own table",
    ):
        assert said in flat


def test_a_checksum_that_is_not_known_is_said() -> None:
    assert "sha256 not known, so not checked" in " ".join(run("georsclip_vit_b_32").split())


def test_a_model_of_other_code_is_shown_with_the_place_of_that() -> None:
    output = run("conch")
    assert "does not run here" in output
    assert "https://github.com/mahmoodlab/CONCH" in output
    assert "to use it" not in output


def test_a_shipped_model_is_shown_by_its_card_and_then_its_record() -> None:
    output = run("embedded_conse")
    assert output.startswith("# embedded_conse\n")
    assert "  to use it:  --model embedded_conse\n" in output
    assert "without a network" not in output


def test_results_of_a_data_set_are_sorted_within_a_protocol() -> None:
    values = [
        float(match)
        for match in re.findall(r"^ +([\d.]+) %", run("--results", "uCm"), re.MULTILINE)
    ]
    assert values == [56.36, 54.68, 49.25]


def test_all_results_are_listed_without_a_data_set() -> None:
    output = run("--results")
    for result in get_catalog().registry.results:
        assert result.model_label in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("remoteclip",), "Did you mean 'remoteclip_rn50'"),
        (("BioCLIP-2",), "Did you mean 'bioclip_2'"),
        (("--results", "RSICT"), "There are: RSICD"),
        (("bioclip", "--results", "RSICD"), "There are: BioCLIP"),
    ],
)
def test_a_near_miss_is_told_the_right_name(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(cli, ["models", *arguments])
    assert isinstance(result.exception, UnknownNameError)
    assert said in str(result.exception)


def test_everything_can_be_had_as_json() -> None:
    models = {model["name"]: model for model in read()}
    assert models["conch"]["availability"] == "unsupported"
    assert models["bioclip"]["contract"]["size_px"] == [224, 224]
    assert "origin" not in models["bioclip"]

    one = read("bioclip_2")
    assert one["files"]["weights"]["hub"] == "imageomics/bioclip-2"
    assert {result["value"] for result in one["results"]} >= {55.6, 57.5, 76.8}

    (low, *_) = sorted(read("--results", "INQUIRE-Fullrank"), key=lambda r: float(r["value"]))
    assert (low["model"], low["value"], low["trust"]) == ("bioclip", 3.6, "verified")
