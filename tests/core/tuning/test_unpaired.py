"""Images and texts that nothing pairs are trained with by what is known of both."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import torch
from click.testing import CliRunner

from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.losses.infonce import InfoNCE
from fieldguide.losses.sides import Side
from fieldguide.losses.soft_targets import SemanticMatching
from fieldguide.tuning.decoupled_pairs import DecoupledPairSampler, UnpairedTexts, unpaired_texts
from fieldguide.tuning.draws import Draws, Pool
from fieldguide.tuning.examples import read_examples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.guides import Guide

FINDINGS = ["warm", "cold", "leafy"]
SEEN = {"red": (1, -1, -1), "green": (-1, -1, 1), "blue": (-1, 1, -1)}
REPORTS = {
    "red": ["a red field", "red all over", "it is red"],
    "green": ["a green field", "green all over", "it is green"],
    "blue": ["a blue field", "blue all over", "it is blue"],
}


@pytest.mark.parametrize(("images", "texts"), [(1, 1), (3, 5), (5, 3), (4, 4)])
def test_a_sampler_gives_each_of_n_times_m_pairs_once(images: int, texts: int) -> None:
    sampler = DecoupledPairSampler(images, texts, seed=3)
    assert sorted(sampler) == [(i, j) for i in range(images) for j in range(texts)]
    assert len(sampler) == images * texts


def test_a_sampler_that_goes_on_at_a_step_draws_what_an_undisturbed_one_does() -> None:
    one, other = DecoupledPairSampler(7, 4, seed=1), DecoupledPairSampler(7, 4, seed=1)
    before = [one.batch(step, 3) for step in range(9)]
    for step in (8, 4):
        torch.testing.assert_close(other.batch(step, 3), before[step])


def test_another_seed_gives_other_pairs() -> None:
    first, second = (list(DecoupledPairSampler(6, 6, seed)) for seed in (0, 1))
    assert first != second


def test_nothing_makes_no_pair() -> None:
    with pytest.raises(ValueError, match="0 images and 3 texts make no pair"):
        DecoupledPairSampler(0, 3)


def test_in_training_every_image_meets_every_text_as_often_as_any_other() -> None:
    about = torch.tensor([[1.0], [-1.0], [1.0]])
    stream = unpaired_texts(("a", "b"), torch.tensor([[1.0], [-1.0]]), about)
    draws = Draws((Pool(torch.arange(3), 1),), (stream,), (0,), 0)
    batches = [draws.batch(step) for step in range(12)]  # 3 images, 2 texts, twice
    met = Counter((int(b.rows[0]), int(b.texts[0].numbers[0])) for b in batches)
    assert met == dict.fromkeys([(i, j) for i in range(3) for j in range(2)], 2)


def test_a_batch_has_no_text_twice_and_none_for_images_of_which_nothing_is_known() -> None:
    about = torch.tensor([[1.0], [0.0], [-1.0], [0.0]])
    stream = unpaired_texts(("a", "b", "c"), torch.tensor([[1.0], [-1.0], [1.0]]), about)
    generator = torch.Generator().manual_seed(0)
    numbers, keys = stream.draw(torch.arange(4), generator)
    assert len(numbers) == len(set(numbers.tolist())) <= 2
    assert keys.shape == (len(numbers), 1)
    assert stream.draw(torch.tensor([1, 3]), generator)[0].tolist() == []


def test_images_and_texts_with_the_same_findings_share_a_key() -> None:
    images = torch.tensor([[1.0, -1.0], [0.0, 1.0], [1.0, 0.0]])
    stream = unpaired_texts(("x", "y"), torch.tensor([[0.0, 1.0], [1.0, -1.0]]), images)
    same = [[int(i) == int(t) for t in stream.text_keys] for i in stream.image_keys[:, 0]]
    assert same == [[False, True], [True, False], [False, False]]


def test_infonce_pushes_two_patients_with_the_same_findings_apart_and_this_loss_does_not() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [0.2, 1.0]]), dim=1)
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    findings = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    keys = torch.tensor([[0], [1]])
    scale, bias = torch.tensor(5.0), torch.tensor(0.0)

    def pull_of_image_0_to_text_1(loss: Any) -> float:
        images = vectors.clone().requires_grad_()
        value = loss(Side(images, keys, findings), Side(texts, keys, findings), scale, bias)
        (gradient,) = torch.autograd.grad(value, images)
        return float(-gradient[0] @ texts[1])

    assert pull_of_image_0_to_text_1(InfoNCE()) < 0
    assert pull_of_image_0_to_text_1(SemanticMatching()) > 0


def without_texts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with findings in place of captions and labels."""
    return [
        {"image": row["image"], "split": row["split"]}
        | dict(zip(FINDINGS, SEEN[row["label"]], strict=True))
        for row in rows
    ]


def write_reports(path: Path) -> Path:
    lines = [",".join(["captions", *FINDINGS])]
    for label, texts in REPORTS.items():
        lines += [",".join([text, *map(str, SEEN[label])]) for text in texts]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def unpaired(
    colours: Path, tmp_path: Path, read_manifest: Callable[..., Any],
    write_manifest: Callable[..., Path],
) -> tuple[Path, Path]:  # fmt: skip
    """Images with findings, and texts with findings; nothing joins one to one."""
    images = write_manifest(
        colours.parent / f"{tmp_path.name}.jsonl", without_texts(read_manifest(colours))
    )
    return images, write_reports(tmp_path / "reports.csv")


def test_unpaired_images_and_texts_teach_a_model_to_name_new_pictures(
    guide: Guide, colours: Path, unpaired: tuple[Path, Path], tmp_path: Path, quick: dict[str, Any]
) -> None:
    images, reports = unpaired
    longer = quick | {"epochs": 12, "projection_epochs": 12}
    outcome = guide.tune(
        images, tmp_path / "made", loss="medclip", texts=reports, attribute_columns=FINDINGS,
        **longer,
    )  # fmt: skip
    template = {"templates": ["a {} field"], "where": 'split == "test"'}
    base = guide.evaluate(colours, **template).accuracy
    tuned = guide.with_adapter(tmp_path / "made").evaluate(colours, **template).accuracy
    assert tuned.value >= 0.9
    assert tuned.value >= base.value + 0.3
    assert outcome.adapter is not None
    assert outcome.adapter.config.data["texts of no image"] == 9
    assert outcome.adapter.config.settings["reading"]["texts"] == "reports"  # no folder's name


def test_the_command_takes_a_file_of_texts(
    model_folder: Path, unpaired: tuple[Path, Path], tmp_path: Path
) -> None:
    images, reports = unpaired
    command = ["tune", str(images), "--model", str(model_folder), "--loss", "medclip", "--texts",
               str(reports), "--epochs", "1", "--projection-epochs", "1", "--no-measure",
               "-o", str(tmp_path / "made")]  # fmt: skip
    named = [word for finding in FINDINGS for word in ("--attribute-column", finding)]
    result = CliRunner().invoke(cli, [*command, *named])
    assert result.exit_code == 0, result.output
    card = (tmp_path / "made" / "card.md").read_text()
    assert "reports" in card
    assert str(reports.parent) not in card


def test_texts_without_attributes_are_refused(guide: Guide, unpaired: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="--attribute-column effusion"):
        read_examples(guide, unpaired[0], texts=unpaired[1])


def test_a_column_that_only_images_have_is_named(guide: Guide, unpaired: tuple[Path, Path]) -> None:
    unpaired[1].write_text("captions,warm\nit is red,1\n")
    with pytest.raises(UsageError, match=r"no column 'cold', 'leafy'\. Images and texts"):
        read_examples(guide, unpaired[0], texts=unpaired[1], attribute_columns=FINDINGS)


def test_rows_of_texts_that_say_nothing_are_told(guide: Guide, unpaired: tuple[Path, Path]) -> None:
    images, reports = unpaired
    more = "no finding,0,0,\n,1,1,1\nodd,3,0,0\nit is red,1,-1,-1\n"
    reports.write_text(reports.read_text() + more)
    examples = read_examples(guide, images, texts=reports, attribute_columns=FINDINGS)
    stream = examples.stream("texts")
    assert isinstance(stream, UnpairedTexts)
    assert len(stream.texts) == 9  # the last row is there already
    reasons = dict(examples.faults)
    assert "empty or 0" in reasons["texts:11"]
    assert "'captions' is empty" in reasons["texts:12"]
    assert "no number from -1 to 1" in reasons["texts:13"]


def test_a_converter_is_of_the_texts(guide: Guide, tmp_path: Path, colours: Path,
                                     write_manifest: Callable[..., Path],
                                     read_manifest: Callable[..., Any]) -> None:  # fmt: skip
    images = write_manifest(colours.parent / f"{tmp_path.name}.jsonl",
                            without_texts(read_manifest(colours)))  # fmt: skip
    reports = tmp_path / "reports.jsonl"
    row = {"findings": "The field is all red. It is very warm.", "warm": 1}
    reports.write_text(json.dumps(row) + "\n")
    examples = read_examples(guide, images, texts=reports, attribute_columns=["warm"],
                             converter="report_sentences")  # fmt: skip
    stream = examples.stream("texts")
    assert isinstance(stream, UnpairedTexts)
    assert stream.texts == ("The field is all red.", "It is very warm.")
    assert not examples.no_caption
