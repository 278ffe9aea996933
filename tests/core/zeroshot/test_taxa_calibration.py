"""Believable probabilities of taxa, an honest "none of these", and where answers stop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fieldguide as fg
from fieldguide.benchmarks.taxa_evaluation import evaluate_taxa
from fieldguide.benchmarks.taxa_fit import fit_scale, fit_taxa_calibration, log_loss
from fieldguide.benchmarks.taxa_scores import NOT_OFFERED, ScoredTaxa, score_taxa
from fieldguide.benchmarks.taxa_stops import evaluate_calibrated, evaluate_held_out
from fieldguide.errors import UsageError
from fieldguide.models.embeddings import SpaceId
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.prune import prune
from fieldguide.taxonomy.tree import TreeInfo
from fieldguide.zeroshot.none_of_these import fit_none_rule
from fieldguide.zeroshot.taxa import Taxa
from fieldguide.zeroshot.taxa_calibration import digest_of, read_taxa_calibration

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RANKS = ("kingdom", "class", "species")
ROWS = (
    ("Animalia", "Mammalia", "cat"),
    ("Animalia", "Mammalia", "dog"),
    ("Animalia", "Mammalia", "giraffe"),
    ("Animalia", "Aves", "duck"),
    ("Animalia", "Aves", "sparrow"),
    ("Plantae", None, "oak"),
)
TREE = tree_from_lineages(
    [dict(zip(RANKS, row, strict=True)) for row in ROWS], RANKS, TreeInfo("garden")
)
SPACE = SpaceId(model="test", encoder="e", contract="c", pooling="p", dim=4)


def place(name: str) -> int:
    return TREE.names.to_pylist().index(name)


def scored(
    cosines: NDArray[np.floating], truth: list[int], nulls: NDArray[np.floating] | None = None
) -> ScoredTaxa:
    pruned = prune(TREE, TREE.leaves())
    return ScoredTaxa(
        Taxa(pruned),
        SPACE,
        logit_scale=5.0,
        digest="d",
        cosines=cosines.astype(np.float32),
        truth=np.array(truth, np.int32),
        narrower=np.array([node == NOT_OFFERED for node in truth]),
        groups=tuple(map(str, range(len(truth)))),
        nulls=np.zeros(0, np.float32) if nulls is None else nulls.astype(np.float32),
        failed=(),
    )


def drawn(count: int, scale: float, *, seed: int = 0) -> ScoredTaxa:
    """Return rows whose true species were drawn from the probabilities at a scale."""
    generator = np.random.default_rng(seed)
    cosines = generator.normal(0, 0.1, (count, 6))
    weights = np.exp(scale * cosines)
    weights /= weights.sum(axis=1, keepdims=True)
    labels = prune(TREE, TREE.leaves()).labels
    chosen = [generator.choice(6, p=row) for row in weights]
    return scored(cosines, labels[chosen].tolist())


def test_the_fitted_scale_is_the_one_that_labels_were_drawn_by() -> None:
    assert fit_scale(drawn(4000, 25.0)) == pytest.approx(25, rel=0.1)


def test_the_log_loss_of_a_class_is_that_of_the_sum_of_its_species() -> None:
    cosines = np.array([[0.1, 0.3, 0.2, 0.0, 0.4, 0.1]])
    weights = np.exp(7 * np.float32(cosines[0]).astype(float))
    labels = [TREE.name_of(node) for node in TREE.leaves()]
    mammals = sum(w for w, name in zip(weights, labels, strict=True)
                  if name in ("cat", "dog", "giraffe"))  # fmt: skip
    expected = -np.log(mammals / weights.sum())
    assert log_loss(scored(cosines, [place("Mammalia")]), 7) == pytest.approx(expected)


def test_a_row_of_which_nothing_is_offered_has_no_say_in_the_fit() -> None:
    rows = drawn(400, 10.0)
    more = scored(
        np.vstack([rows.cosines, np.eye(6)[[0] * 50]]), [*rows.truth, *[NOT_OFFERED] * 50]
    )
    assert fit_scale(more) == pytest.approx(fit_scale(rows))


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="10 rows are too few"):
        fit_scale(drawn(10, 10.0))


def test_too_few_rows_to_measure_as_well_are_refused_with_the_number_of_a_half() -> None:
    rows = drawn(30, 10.0)
    fit_scale(rows)  # enough to fit on
    with pytest.raises(UsageError, match=r"30 rows are too few .* each needs 20 .* One has 15\."):
        evaluate_held_out(rows)


def test_the_bound_is_the_quantile_that_a_hand_count_gives() -> None:
    nulls = np.arange(40) / 100
    rule = fit_none_rule(nulls, np.array([0.5, 0.1]), 0.2, seed=1)
    order = np.random.default_rng(1).permutation(40)
    mine, others = sorted(nulls[order[::2]]), nulls[order[1::2]]
    assert rule.bound == pytest.approx(mine[16])  # ceil(21 * 0.8) = 17th of 20
    assert rule.false_alarms == sum(value > mine[16] for value in others)
    assert (rule.fitted_on, rule.measured_on) == (20, 20)
    assert rule.low <= rule.rate <= rule.high
    assert rule.answered == 0.5


def test_in_the_mean_no_more_pictures_of_other_things_are_named_than_asked_for() -> None:
    generator = np.random.default_rng(0)
    rates = [
        fit_none_rule(generator.normal(size=100), np.zeros(0), 0.1, seed=seed).rate
        for seed in range(3000)
    ]
    assert np.mean(rates) == pytest.approx(5 / 51, abs=0.004)  # the standard error is 0.001


def test_too_few_pictures_of_other_things_are_refused_with_the_number_needed() -> None:
    with pytest.raises(UsageError, match=r"30 pictures of other things are too few for 5%.*38"):
        fit_none_rule(np.arange(30.0), np.zeros(0), 0.05)


def test_figures_count_answers_and_right_ones_as_a_hand_does() -> None:
    labels = [TREE.name_of(node) for node in TREE.leaves()]
    shares = {
        "cat": {"cat": 0.9, "dog": 0.1},
        "dog": {"cat": 0.5, "dog": 0.4, "oak": 0.1},
        "sparrow": {"cat": 0.85, "oak": 0.15},
        "oak": {"oak": 0.55, "cat": 0.45},
    }
    table = np.array([[row.get(name, 0) for name in labels] for row in shares.values()])
    rows = scored(np.zeros((4, 6)), [place(name) for name in shares])
    found = {(one.rule, one.rank): one for one in evaluate_taxa(rows, table, None, (0.8,)).figures}
    # cat -> cat; dog -> Mammalia (0.9); sparrow -> cat; oak -> nothing
    kingdom = found["confidence 0.8", "kingdom"]
    assert (kingdom.answered, kingdom.coverage.value) == (3, 0.75)
    assert kingdom.right.value == pytest.approx(2 / 3)
    assert kingdom.mean_depth == pytest.approx((3 + 2 + 3) / 3)
    species = found["confidence 0.8", "species"]
    assert (species.answered, species.right.value) == (2, 0.5)
    always = found["always class", "class"]
    assert (always.answered, always.right.value) == (4, 0.75)  # the oak stands for its class


def test_below_a_wide_label_nothing_is_judged_and_below_an_absent_species_nothing_is_right() -> (
    None
):
    table = np.tile(np.eye(6)[[0]], (2, 1))  # cat, and nothing else
    rows = replace(
        scored(np.zeros((2, 6)), [place("Mammalia")] * 2), narrower=np.array([False, True])
    )
    found = {one.rank: one for one in evaluate_taxa(rows, table, None, (0.8,)).figures[:3]}
    assert (found["class"].answered, found["class"].right.value) == (2, 0.5)
    assert (found["species"].answered, found["species"].right.value) == (1, 0.0)


def test_what_is_refused_counts_as_no_answer() -> None:
    table = np.eye(6)
    rows = scored(np.zeros((6, 6)), TREE.leaves().tolist())
    refused = np.array([True, True, False, False, False, False])
    found = evaluate_taxa(rows, table, refused, (0.8,)).figures[0]
    assert (found.answered, found.right.value) == (4, 1.0)


def test_a_fitted_calibration_is_read_back_and_used(tmp_path: Path) -> None:
    rows = drawn(300, 25.0)
    fitted = fit_taxa_calibration(rows)
    again = read_taxa_calibration(fitted.write(tmp_path / "c.json"))
    assert again == fitted
    assert fitted.figures["log_loss_after"] < fitted.figures["log_loss_before"]
    before, after = evaluate_calibrated(rows), evaluate_calibrated(rows, again)
    claimed = {"confidence 0.8": 0.8, "confidence 0.9": 0.9}
    for one in after.figures:
        if one.rule in claimed and one.rank == "kingdom":
            assert one.right.value >= claimed[one.rule] - 0.05
    assert sum(one.answered for one in after.figures) > sum(o.answered for o in before.figures)


def test_figures_of_rows_left_out_of_the_fit_are_close_to_those_of_a_large_sample() -> None:
    small, large = drawn(600, 25.0), drawn(6000, 25.0, seed=1)
    held_out = {(o.rule, o.rank): o for o in evaluate_held_out(small).figures}
    for one in evaluate_calibrated(large, fit_taxa_calibration(large)).figures:
        if one.answered > 300:
            assert held_out[one.rule, one.rank].right.value == pytest.approx(
                one.right.value, abs=0.08
            )


def test_a_calibration_of_other_labels_is_refused() -> None:
    rows = drawn(100, 10.0)
    fitted = fit_taxa_calibration(rows)
    with pytest.raises(UsageError, match="6 other labels of garden"):
        fitted.require_labels(digest_of([["a cat"]]))


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "taxa calibration"}', '{"format": 1}'])
def test_a_file_that_is_no_calibration_of_taxa_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.json").write_text(content, "utf-8")
    with pytest.raises(UsageError, match=r"c\.json is no calibration of taxa"):
        read_taxa_calibration(tmp_path / "c.json")


def test_where_no_picture_can_be_read_the_first_reason_is_told_and_no_model_blamed(
    tmp_path: Path,
) -> None:
    manifest = tmp_path / "labels.csv"
    manifest.write_text("path,label\n/elsewhere/a.png,cat\n/elsewhere/b.png,dog\n", "utf-8")
    with pytest.raises(UsageError, match=r"No picture can be read.*--root /elsewhere"):
        score_taxa(fg.guide("biodiversity"), manifest, fg.taxa("biodiversity", taxonomy=TREE))


@pytest.mark.shared_data
def test_photos_below_the_bound_are_none_of_these_and_say_how_sure_that_is(
    shared_data: Path, tmp_path: Path
) -> None:
    *photos, odd = sorted((shared_data / "generic/coco_mini/images").iterdir())[:25]
    table = "path,label\n" + "".join(f"{photo},{['cat', 'dog'][n % 2]}\n"
                                     for n, photo in enumerate(photos))  # fmt: skip
    (tmp_path / "labels.csv").write_text(table + f"{odd},unicorn\n", "utf-8")
    guide = fg.guide("biodiversity", roots=[shared_data])
    offered = fg.taxa("biodiversity", taxonomy=TREE)
    rows = score_taxa(guide, tmp_path / "labels.csv", offered, nulls=photos)
    assert rows.unknown == {"unicorn": 1}
    assert rows.truth.tolist() == [place("cat"), place("dog")] * 12
    fitted = fit_taxa_calibration(rows, false_alarms=0.1)
    answers = guide.classify(
        photos, taxa=fg.taxa("biodiversity", taxonomy=TREE, calibration=fitted, top=1)
    )
    none = fitted.none
    assert none is not None
    below = rows.cosines.max(axis=1) < none.bound
    assert [len(answer.guesses) == 2 for answer in answers] == below.tolist()
    refused = [answer for answer in answers if len(answer.guesses) == 2]
    assert {answer.label for answer in refused} == {"none of these"}
    assert f"of {none.measured_on} pictures of other things" in refused[0].guesses[0].why

    sure = fg.taxa("biodiversity", taxonomy=TREE, calibration=fitted, confidence=1.0)
    for answer in guide.classify([one.path for one in refused], taxa=sure):
        assert [guess.label for guess in answer.guesses] == ["none of these"]  # said once
        assert answer.guesses[0].why.startswith("like none of them")
