"""Choosing from taxa: sums at ranks and in bins, where an answer stops, and what is offered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fieldguide as fg
from fieldguide.errors import UsageError
from fieldguide.taxonomy.lineages import tree_from_lineages
from fieldguide.taxonomy.prune import Pruned, prune
from fieldguide.taxonomy.tree import Tree, TreeInfo
from fieldguide.zeroshot.bins import read_bins
from fieldguide.zeroshot.clades import labels_within, read_names
from fieldguide.zeroshot.label_scores import scores_of
from fieldguide.zeroshot.stopping import StopWhereSure
from fieldguide.zeroshot.taxon_answers import AtRank, IntoBins, Leaves

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from fieldguide.zeroshot.choices import Choice
    from fieldguide.zeroshot.taxon_answers import TaxonAnswer

RANKS = ("kingdom", "class", "order", "species")
ROWS = (
    ("Animalia", "Mammalia", "Carnivora", "cat"),
    ("Animalia", "Mammalia", "Carnivora", "dog"),
    ("Animalia", "Mammalia", None, "platypus"),
    ("Animalia", "Insecta", "Coleoptera", "beetle"),
    ("Plantae", None, None, "oak"),
)
TREE = tree_from_lineages(
    [dict(zip(RANKS, row, strict=True)) for row in ROWS], RANKS, TreeInfo("garden")
)
SHARES = {"cat": 0.4, "dog": 0.3, "platypus": 0.15, "beetle": 0.1, "oak": 0.05}


def offered(*clades: str) -> Pruned:
    return prune(TREE, labels_within(TREE, clades))


def row_of(pruned: Pruned, shares: dict[str, float] = SHARES) -> NDArray[np.float64]:
    found = np.array([[shares[pruned.tree.name_of(label)] for label in pruned.labels]])
    return found / found.sum()


def said(answer: TaxonAnswer, pruned: Pruned | None = None) -> list[Choice]:
    pruned = pruned or offered()
    return list(answer.prepare(pruned).choose(scores_of(np.log(row_of(pruned)), 9), None)[0])


def pairs(choices: list[Choice]) -> list[tuple[str, float | None]]:
    return [(c.label, None if c.probability is None else round(c.probability, 6)) for c in choices]


def test_labels_are_told_best_first() -> None:
    assert pairs(said(Leaves(top=2))) == [("cat", 0.4), ("dog", 0.3)]


def test_at_a_rank_labels_are_summed_and_one_with_a_gap_stands_for_itself() -> None:
    found = pairs(said(AtRank("order", top=9)))
    assert found == [("Carnivora", 0.7), ("platypus", 0.15), ("Coleoptera", 0.1), ("oak", 0.05)]


def test_a_rank_that_the_tree_lacks_is_an_error_that_names_its_ranks() -> None:
    with pytest.raises(UsageError, match=r"no rank 'family'. It has: kingdom, class, order"):
        said(AtRank("family"))


def test_bins_sum_the_labels_of_their_taxa_and_the_narrowest_taxon_wins() -> None:
    pruned = offered()
    named = {"Animalia": "animal", "dog": "pet"}
    bins = {node: named[pruned.tree.name_of(node)] for node in range(len(pruned.tree))
            if pruned.tree.name_of(node) in named}  # fmt: skip
    assert pairs(said(IntoBins(bins, top=9))) == [("animal", 0.65), ("pet", 0.3), ("other", 0.05)]


def test_two_names_of_one_taxon_in_different_bins_are_refused() -> None:
    with pytest.raises(UsageError, match="cat is in two bins by two names"):
        fg.taxa("biodiversity", taxonomy=TREE, bins={"cat": "pet", "CAT": "wild"})


def test_below_the_threshold_none_of_these_comes_first() -> None:
    found = said(Leaves(top=1, threshold=0.5))
    assert pairs(found) == [("none of these", None), ("cat", 0.4)]
    assert found[0].why == "no answer reaches 0.5"


@pytest.mark.parametrize(
    ("confidence", "answer", "why"),
    [
        (0.69, "Carnivora", "stopped at order: the best below, species cat, has 0.40 < 0.69"),
        (0.8, "Mammalia", "stopped at class: the best below, order Carnivora, has 0.70 < 0.8"),
        (0.9, "Animalia", "stopped at kingdom: the best below, class Mammalia, has 0.85 < 0.9"),
        (0.99, "none of these", "stopped at the top: the best below, kingdom Animalia, has 0.95"),
    ],
)
def test_an_answer_is_the_narrowest_taxon_that_is_sure_enough(
    confidence: float, answer: str, why: str
) -> None:
    (found,) = said(StopWhereSure(confidence))
    assert found.label == answer
    assert found.why.startswith(why)


def test_a_share_just_below_the_confidence_is_told_with_the_digits_that_show_it() -> None:
    shares = {"cat": 0.3, "dog": 0.2961, "platypus": 0.1039, "beetle": 0.2, "oak": 0.1}
    logits = np.log(row_of(offered(), shares))
    ((found,),) = StopWhereSure(0.6).prepare(offered()).choose(scores_of(logits, 9), None)
    assert (found.label, found.why.split(", has ")[1]) == ("Mammalia", "0.596 < 0.6")


def test_an_answer_is_no_narrower_than_the_rank_asked_for() -> None:
    (found,) = said(StopWhereSure(0.6, "class"))
    assert (found.label, found.why) == ("Mammalia", "no narrower than class was asked for")


def test_what_was_asked_for_is_no_answer_itself() -> None:
    (found,) = said(StopWhereSure(0.9), offered("Mammalia"))
    assert found.label == "none of these"


def test_one_label_alone_is_the_answer() -> None:
    pruned = offered("Insecta")
    assert pairs(said(Leaves(), pruned)) == [("beetle", 1.0)]
    assert pairs(said(AtRank("class"), pruned)) == [("Insecta", 1.0)]
    assert pairs(said(StopWhereSure(0.9), pruned)) == [("beetle", 1.0)]


@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), st.floats(0.5, 1))
def test_an_answer_reaches_the_confidence_and_no_taxon_below_it_does(
    weights: list[float], confidence: float
) -> None:
    pruned = offered()
    shares = np.array([weights]) / sum(weights)
    (found,) = (
        StopWhereSure(confidence).prepare(pruned).choose(scores_of(np.log(shares), 1), None)[0]
    )
    tree = pruned.tree
    sums = {node: shares[0, [tree.is_within(label, node) for label in pruned.labels]].sum()
            for node in range(len(tree))}  # fmt: skip
    if found.node is None:
        assert all(sums[node] < confidence for node in tree.roots)
    else:
        assert found.probability == pytest.approx(sums[found.node])
        assert sums[found.node] >= confidence - 1e-9
        assert all(sums[child] < confidence for child in tree.children(found.node))


def test_a_confidence_at_which_two_answers_could_hold_is_refused() -> None:
    with pytest.raises(UsageError, match=r"not between 0\.5 and 1"):
        StopWhereSure(0.4)


def names(tree: Tree, nodes: NDArray[np.int32]) -> set[str]:
    return {tree.name_of(node) for node in nodes}


def test_clades_are_united_and_files_of_names_are_read(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,scientificName\n1,oak\n2,Coleoptera\n", "utf-8")
    found = labels_within(TREE, ["Carnivora", str(tmp_path / "list.csv")])
    assert names(TREE, found) == {"cat", "dog", "beetle", "oak"}


def test_a_region_is_a_further_bound_on_the_taxa_named() -> None:
    found = labels_within(
        TREE, ["Mammalia", "region:GB"], lambda _, place: TREE.leaves() if place == "GB" else []
    )
    assert names(TREE, found) == {"cat", "dog", "platypus"}


def test_names_of_a_list_that_mean_nothing_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# mine\noak\nbeetel\nunicorn\n", "utf-8")
    with pytest.raises(UsageError, match=r"(?s)2 of the 3 names of .*beetle"):
        labels_within(TREE, [str(tmp_path / "list.txt")])


def test_a_list_of_very_many_unknown_names_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("".join(f"unicorn {number}\n" for number in range(20_000)), "utf-8")
    began = time.process_time()
    with pytest.raises(UsageError, match=r"(?s)20000 of the 20000 names"):
        labels_within(TREE, [str(path)])
    assert time.process_time() - began < 5


@pytest.mark.parametrize("reader", [read_names, read_bins])
def test_a_cell_that_is_too_long_for_a_table_is_refused(
    reader: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"name,bin\n{'x' * 2**20},y\n", "utf-8")
    with pytest.raises(UsageError, match="no table that can be read: field larger"):
        reader(path)


def test_a_rank_that_is_wider_than_the_clade_is_refused() -> None:
    with pytest.raises(UsageError, match="would be 'Animalia', which is wider than Mammalia"):
        fg.taxa("biodiversity", "Mammalia", taxonomy=TREE, rank="kingdom")
    assert len(fg.taxa("biodiversity", "Animalia", taxonomy=TREE, rank="kingdom"))


def test_a_list_is_summed_to_any_rank(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("cat\ndog\n", "utf-8")
    listed = fg.taxa("biodiversity", str(tmp_path / "list.txt"), taxonomy=TREE, rank="kingdom")
    assert len(listed) == 2


def test_a_list_without_a_column_of_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(UsageError, match="no column of names"):
        read_names(tmp_path / "list.csv")


@pytest.mark.shared_data
def test_photos_are_named_within_a_clade_and_rows_have_the_lineage(shared_data: Path) -> None:
    photos = sorted((shared_data / "generic/coco_mini/images").iterdir())[:3]
    animals = fg.taxa("biodiversity", "Mammalia", taxonomy=TREE, rank="order", top=9)
    found = fg.guide("biodiversity").classify(photos, taxa=animals)
    for prediction in found:
        assert {guess.label for guess in prediction.guesses} == {"Carnivora", "platypus"}
        assert sum(guess.probability or 0 for guess in prediction.guesses) == pytest.approx(1)
    row = next(row for row in found.records() if row["label"] == "Carnivora")
    assert (row["taxon_rank"], row["kingdom"], row["class"]) == ("order", "Animalia", "Mammalia")
    assert found.provenance["clades"] == ["Mammalia"]


@pytest.mark.parametrize("beside", [{"labels": ["a", "b"]}, {"classes": "aid"}, {"window": 224}])
def test_taxa_and_other_labels_are_refused_together(
    tmp_path: Path, beside: dict[str, object]
) -> None:
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    animals = fg.taxa("biodiversity", taxonomy=TREE)
    with pytest.raises(UsageError, match=r"Leave|leave"):
        fg.guide("biodiversity").classify(tmp_path / "a.png", taxa=animals, **beside)
