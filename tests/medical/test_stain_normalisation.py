"""Stain normalisation: known dyes, colours by hand, torchstain, and pictures without stain."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchstain.numpy.normalizers.macenko import NumpyMacenkoNormalizer

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import ContractError, UnknownNameError, UsageError
from fieldguide.samples import RGB, SRGB8, Sample
from fieldguide.testing import write_tiny_checkpoint
from fieldguide_medical.plugin import STAIN_OPTIONS
from fieldguide_medical.stain import EOSIN, HAEMATOXYLIN
from fieldguide_medical.stain_density import LIGHT
from fieldguide_medical.stain_macenko import Dyes, Macenko
from fieldguide_medical.stain_normaliser import METHODS, make_normaliser
from fieldguide_medical.stain_reinhard import Colours, Reinhard, to_lab, to_rgb
from fieldguide_medical.tiles import draw_benign, draw_squamous

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


def dyed(blue: NDArray[Any], pink: NDArray[Any], seed: int = 0, side_px: int = 96) -> Pixels:
    """Return a picture by the law of Beer and Lambert: pure pixels of both dyes, mixed ones, glass.

    Args:
        blue: (3,) direction of haematoxylin.
        pink: (3,) direction of eosin.
        seed: of the amounts.
        side_px: of the picture.
    """
    random = np.random.default_rng(seed)
    amounts = random.uniform(0.8, 1.8, (side_px * side_px, 2))
    kind = random.integers(0, 4, len(amounts))
    amounts[kind == 0, 1] = 0
    amounts[kind == 1, 0] = 0
    amounts[kind == 3] = 0
    unit = np.stack([d / np.linalg.norm(d) for d in (blue, pink)])
    values = LIGHT * np.exp(-amounts @ unit) - 1
    return np.clip(values.round(), 0, 255).astype(np.uint8).reshape(side_px, side_px, 3)


def degrees(found: Any, truth: NDArray[Any]) -> float:
    cosine = np.dot(found, truth) / np.linalg.norm(found) / np.linalg.norm(truth)
    return math.degrees(math.acos(min(1.0, cosine)))


def sample(pixels: Pixels) -> Sample:
    return Sample(pixels, RGB, SRGB8)


DYES = st.tuples(
    st.tuples(st.floats(0.55, 0.75), st.floats(0.55, 0.75), st.floats(0.25, 0.45)),
    st.tuples(st.floats(0.20, 0.30), st.floats(0.75, 0.95), st.floats(0.30, 0.55)),
)


@settings(max_examples=25, deadline=None)
@given(DYES)
def test_the_dyes_of_a_mixed_picture_are_found_within_two_degrees(dyes: Any) -> None:
    blue, pink = map(np.array, dyes)
    found = Dyes.of(dyed(blue, pink))
    assert degrees(found.haematoxylin, blue) < 2
    assert degrees(found.eosin, pink) < 2


@pytest.mark.parametrize("draw", [draw_benign, draw_squamous])
def test_the_dyes_of_drawn_tissue_are_found_within_two_degrees(draw: Any) -> None:
    found = Dyes.of(np.asarray(draw(3)))
    assert degrees(found.haematoxylin, HAEMATOXYLIN) < 2
    assert degrees(found.eosin, EOSIN) < 2


@settings(max_examples=10, deadline=None)
@given(DYES, DYES)
def test_a_picture_gets_the_dyes_of_the_target_and_keeps_them(one: Any, other: Any) -> None:
    picture = dyed(*map(np.array, one))
    to_other = Macenko.like(dyed(*map(np.array, other), seed=1))
    redrawn = to_other.fit(picture)(picture)
    found = Dyes.of(redrawn)
    assert degrees(found.haematoxylin, np.array(other[0])) < 3
    assert degrees(found.eosin, np.array(other[1])) < 3
    again = to_other.fit(redrawn)(redrawn)
    assert np.abs(again.astype(int) - redrawn).mean() < 2


def test_glass_stays_glass_under_new_dyes() -> None:
    picture = dyed(HAEMATOXYLIN, EOSIN)
    glass = picture.min(axis=-1) >= LIGHT - 2
    redrawn = make_normaliser("macenko")(sample(picture))(sample(picture)).array
    assert np.abs(redrawn[glass].astype(int) - picture[glass]).max() <= 2


@pytest.mark.parametrize("seed", range(3))
def test_macenko_agrees_with_torchstain_to_one_level(seed: int) -> None:
    picture = np.asarray(draw_squamous(seed))
    expected, _, _ = NumpyMacenkoNormalizer().normalize(picture, stains=False)
    found = make_normaliser("macenko")(sample(picture))(sample(picture)).array
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.shared_data
def test_macenko_agrees_with_torchstain_on_real_tissue(shared_data: Path) -> None:
    folder = shared_data / "medical/lc25000_lung"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").open(encoding="utf-8")]
    for row in rows[::150]:
        picture = np.asarray(Image.open(folder / row["image"]).convert("RGB"))
        expected, _, _ = NumpyMacenkoNormalizer().normalize(picture, stains=False)
        found = make_normaliser("macenko")(sample(picture))(sample(picture)).array
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_l_alpha_beta_is_that_of_the_paper_written_out() -> None:
    red, green, blue = 180, 120, 200
    long = math.log(0.3811 * red + 0.5783 * green + 0.0402 * blue)
    middle = math.log(0.1967 * red + 0.7244 * green + 0.0782 * blue)
    short = math.log(0.0241 * red + 0.1288 * green + 0.8444 * blue)
    expected = [
        (long + middle + short) / math.sqrt(3),
        (long + middle - 2 * short) / math.sqrt(6),
        (long - middle) / math.sqrt(2),
    ]
    (found,) = to_lab(np.array([[red, green, blue]], np.uint8))
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(*[st.integers(1, 255)] * 3), min_size=1, max_size=20))
def test_colours_survive_the_way_to_l_alpha_beta_and_back(colours: list[Any]) -> None:
    pixels = np.array(colours, np.uint8)
    assert to_rgb(to_lab(pixels)).tolist() == pixels.tolist()


def test_reinhard_gives_mean_and_spread_of_the_target() -> None:
    picture = np.asarray(draw_squamous(0))
    target = Colours(mean=(8.9, -0.15, 0.04), std=(0.3, 0.08, 0.02))
    recoloured = Reinhard(target).fit(picture)(picture)
    lab = to_lab(recoloured.reshape(-1, 3))
    assert lab.mean(axis=0).tolist() == pytest.approx(target.mean, abs=0.01)
    assert lab.std(axis=0).tolist() == pytest.approx(target.std, abs=0.01)
    again = Reinhard(target).fit(recoloured)(recoloured)
    assert np.abs(again.astype(int) - recoloured).mean() < 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.full((64, 64, 3), 255, np.uint8), "0 of its pixels are stained"),
        (np.full((64, 64, 3), (190, 100, 170), np.uint8), "one colour only"),
        (np.zeros((64, 64, 3), np.uint8), "one colour only"),
        (np.asarray(draw_squamous(0))[:5, :5], "of its pixels are stained"),
    ],
    ids=["white", "one colour", "black", "tiny"],
)
def test_what_does_not_tell_its_stain_stays_as_it_is_with_a_note(
    method: str, pixels: Pixels, said: str
) -> None:
    left = make_normaliser(method)(sample(pixels))(sample(pixels))
    assert left.array is pixels
    assert left.repairs == ()
    assert said in left.notes[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from(sorted(METHODS)))
def test_any_picture_stays_a_picture(seed: int, side_px: int, method: str) -> None:
    random = np.random.default_rng(seed)
    low = int(random.integers(0, 255))
    pixels = random.integers(low, 256, (side_px, side_px, 3), dtype=np.uint8)
    with np.errstate(all="raise"):
        changed = make_normaliser(method)(sample(pixels))(sample(pixels)).array
    assert (changed.shape, changed.dtype) == (pixels.shape, np.uint8)


def test_windows_of_one_slide_are_restained_alike() -> None:
    slide = np.asarray(draw_benign(1))
    restain = make_normaliser("macenko")(sample(slide))
    whole = restain(sample(slide)).array
    for part in (np.s_[:64, :64], np.s_[100:180, 30:90]):
        window = sample(np.ascontiguousarray(slide[part]))
        assert np.array_equal(restain(window).array, whole[part])
        assert restain(window).repairs == ("stain_macenko",)


def test_pixels_outside_of_the_slide_do_not_count() -> None:
    slide = np.asarray(draw_benign(1))
    padded = np.concatenate([slide, np.zeros_like(slide)])
    valid = np.repeat([True, False], len(slide))[:, None].repeat(slide.shape[1], axis=1)
    restain = make_normaliser("reinhard")(Sample(padded, RGB, SRGB8, valid=valid))
    expected = make_normaliser("reinhard")(sample(slide))(sample(slide)).array
    assert np.array_equal(restain(sample(slide)).array, expected)


def test_a_target_picture_is_what_others_are_made_to_look_like(tmp_path: Path) -> None:
    target = dyed(np.array([0.6, 0.6, 0.4]), np.array([0.2, 0.9, 0.35]))
    Image.fromarray(target).save(tmp_path / "target.png")
    normalise = make_normaliser("macenko", str(tmp_path / "target.png"))
    same = normalise(sample(target))(sample(target)).array
    assert np.abs(same.astype(int) - target).max() <= 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stain": "vahadane"}, "There are: macenko, reinhard"),
        ({"stain_target": "tile.png"}, "name a --stain too"),
        ({"stain": "macenko", "stain_target": "gone.png"}, "gone.png cannot be used"),
    ],
)
def test_options_that_cannot_be_followed_are_mistakes_of_the_call(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=said):
        make_normaliser(**options)


def test_a_white_target_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    with pytest.raises(UsageError, match="stained with H&E as --stain-target"):
        make_normaliser("reinhard", str(tmp_path / "white.png"))


def test_gray_pictures_have_no_stain() -> None:
    gray = Sample(np.zeros((9, 9, 1), np.uint8), ("gray",), SRGB8)
    with pytest.raises(ContractError, match="--stain"):
        make_normaliser("macenko")(gray)


def test_the_command_line_offers_the_methods_that_there_are() -> None:
    assert STAIN_OPTIONS[0].choices == tuple(METHODS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


def test_the_command_records_the_normalisation_of_each_tile(tiny: Path, tmp_path: Path) -> None:
    draw_squamous(0).save(tmp_path / "tile.png")
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        cli,
        ["classify", str(tmp_path / "tile.png"), "--domain", "medical", "--modality",
         "histology_tile", "--model", str(tiny), "--label", "a", "--label", "b", "--stain",
         "macenko", "-o", str(out)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text("utf-8"))[0]["reason"] == "repaired: stain_macenko"


def test_stored_vectors_are_made_anew_for_another_stain_and_kept_for_the_same(
    tiny: Path, tmp_path: Path
) -> None:
    draw_squamous(0).save(tmp_path / "tile.png")
    draw_benign(0).save(tmp_path / "target.png")

    def embed(**options: str) -> tuple[int, int]:
        guide = fg.guide("medical", modality="histology_tile", model=str(tiny), **options)
        report = guide.embed(tmp_path / "tile.png", tmp_path / "v.parquet")
        return report.added, report.kept

    target = {"stain": "macenko", "stain_target": str(tmp_path / "target.png")}
    assert [embed(), embed(stain="macenko"), embed(stain="macenko")] == [(1, 0), (1, 0), (0, 1)]
    assert [embed(**target), embed(**target)] == [(1, 0), (0, 1)]
    draw_benign(1).save(tmp_path / "target.png")
    assert embed(**target) == (1, 0)


def test_a_large_picture_is_normalised_as_a_whole_and_its_glass_is_no_reason_to_refuse_it(
    tiny: Path, tmp_path: Path
) -> None:
    tile = np.asarray(draw_squamous(0))
    picture = np.concatenate([np.full_like(tile, 245), tile], axis=1)
    Image.fromarray(picture).save(tmp_path / "big.png")
    guide = fg.guide("medical", modality="histology_tile", model=str(tiny), stain="reinhard")
    found = guide.classify(tmp_path / "big.png", ["a", "b"], window=64, vectors=tmp_path)
    assert (found[0].status, found[0].reason) == ("ok", "repaired: stain_reinhard")
    assert found.provenance["options"] == {"stain": "reinhard"}


def test_a_photograph_is_refused_as_a_whole(tiny: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), (60, 120, 50)).save(tmp_path / "leaf.png")
    guide = fg.guide("medical", modality="histology_tile", model=str(tiny))
    (row,) = guide.classify(tmp_path / "leaf.png", ["a", "b"], window=64, vectors=tmp_path)
    assert row.status == "refused"
    assert "pink or purple" in row.reason


def test_the_name_of_a_target_is_in_no_output_and_an_index_still_finds_it(
    tiny: Path, tmp_path: Path
) -> None:
    target = tmp_path / "jane_doe.png"
    draw_benign(0).save(target)
    draw_squamous(0).save(tmp_path / "tile.png")
    guide = fg.guide(
        "medical", modality="histology_tile", model=str(tiny), stain="macenko",
        stain_target=str(target),
    )  # fmt: skip
    guide.index(tmp_path / "tile.png", tmp_path / "out" / "i.fg")
    found = guide.classify(tmp_path / "tile.png", ["a", "b"], window=64, vectors=tmp_path / "out")
    found.write(tmp_path / "out" / "answers.json")
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    for path in written:
        if path.name != "sources.parquet":
            assert b"jane_doe" not in path.read_bytes(), path
    again = fg.open_index(tmp_path / "out" / "i.fg")
    assert again.guide.options["stain_target"] == str(target)


def test_a_target_that_cannot_be_used_is_not_named(tiny: Path, tmp_path: Path) -> None:
    target = tmp_path / "jane_doe.png"
    Image.new("RGB", (64, 64), "white").save(target)
    draw_squamous(0).save(tmp_path / "tile.png")
    guide = fg.guide(
        "medical", modality="histology_tile", model=str(tiny), stain="macenko",
        stain_target=str(target),
    )  # fmt: skip
    with pytest.raises(UsageError, match="cannot be used") as told:
        guide.classify(tmp_path / "tile.png", ["a", "b"])
    assert "jane_doe" not in str(told.value)
