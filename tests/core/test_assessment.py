"""Gain and forgetting: the same rows, the right figures, chosen on some and reported on others."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from fieldguide.benchmarks.classification import macro_recall_counts, share_counts
from fieldguide.benchmarks.intervals import RESAMPLES, paired_difference
from fieldguide.data.inputs import Item
from fieldguide.errors import AdapterError, TuningError
from fieldguide.models.embeddings import Embeddings, SpaceId
from fieldguide.models.load import load_encoder, named_model
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.adapter import Probe
from fieldguide.tuning.assessment import assess, assess_probe, pick_strength
from fieldguide.tuning.changes import LowRank, Offset
from fieldguide.tuning.pareto import BestMean
from fieldguide.tuning.strengths import EncodedSuite, encode_suite, models_at
from fieldguide.tuning.suite_figures import figures_of
from fieldguide.tuning.suites import Suite, plain_reader
from fieldguide.zeroshot.classifier import ZeroShotClassifier, build_classifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABELS = ("red", "green", "blue")
LAST = "visual.proj"
INSIDE = "visual.transformer.resblocks.1.mlp.c_fc.weight"
TEXT = "transformer.resblocks.1.mlp.c_proj.weight"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "vit", architecture="vit")
    catalog = get_catalog()
    return load_encoder(named_model(str(folder), catalog), catalog, torch.device("cpu"))


@pytest.fixture(scope="module")
def suite(encoder: Any) -> Suite:
    return make_suite(encoder, 24)


def make_suite(encoder: Any, count: int, role: Any = "domain") -> Suite:
    generator = np.random.default_rng(0)
    items, labels, captions = [], [], []
    for number in range(count):
        pixels = generator.integers(0, 90, (32, 32, 3), dtype=np.uint8)
        pixels[:, :, number % 3] += 150
        items.append(Item(f"{number}", f"{number}", image=Image.fromarray(pixels)))
        labels.append(LABELS[number % 3])
        captions.append((f"the {LABELS[number % 3]} picture no {number}", "a picture"))
    return Suite(
        name=role,
        role=role,
        items=tuple(items),
        parts=tuple("val" if number % 2 else "test" for number in range(count)),
        groups=tuple(str(number // 2) for number in range(count)),
        labels=tuple(labels),
        prompts={label: (f"a photo of {label}.", label) for label in LABELS},
        captions=tuple(captions),
        reader=plain_reader(encoder.contract, get_catalog()),
    )


def change_of(encoder: Any, *names: str) -> dict[str, LowRank | Offset]:
    generator = torch.Generator().manual_seed(1)
    parameters = dict(encoder.network.named_parameters())
    found: dict[str, LowRank | Offset] = {}
    for name in names:
        rows, columns = parameters[name].shape
        if name == TEXT:
            values = 0.3 * torch.randn(rows, columns, generator=generator)
            found[name] = Offset(values)
        else:
            a = torch.randn(2, columns, generator=generator)
            found[name] = LowRank(a, 0.3 * torch.randn(rows, 2, generator=generator))
    return found


def added(encoder: Any, changes: dict[str, Any], strength: float) -> Any:
    """The tuned model made the slow way: a whole copy, every matrix multiplied out."""
    network = copy.deepcopy(encoder.network)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in changes:
                change = changes[name]
                full = change.values if isinstance(change, Offset) else change.b @ change.a
                parameter.copy_(parameter + strength * full)
    return encoder.with_network(network, adapter="slow")


def stacked(suite: Suite) -> torch.Tensor:
    pixels = np.stack([np.asarray(item.image) for item in suite.items])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@pytest.mark.parametrize("names", [(LAST,), (INSIDE,), (TEXT,), (LAST, INSIDE, TEXT)])
def test_every_strength_gives_the_vectors_of_a_model_made_the_slow_way(
    encoder: Any, suite: Suite, names: tuple[str, ...]
) -> None:
    changes = change_of(encoder, *names)
    strengths = (0.0, 0.5, 1.0)

    encoded = encode_suite(suite, models_at(encoder, changes, strengths), batch_size=7, workers=1)

    texts = list(encoded.text_row)
    for number, strength in enumerate(strengths):
        slow = added(encoder, changes, strength)
        images = slow.encode_images(stacked(suite)).vectors
        np.testing.assert_allclose(encoded.images[number].vectors, images, atol=2e-6)
        found = encoded.texts[number].vectors
        np.testing.assert_allclose(found, slow.encode_texts(texts).vectors, atol=2e-6)
        classifier = build_classifier(slow, suite.prompts)
        own = encoded.classifiers[number]
        assert isinstance(own, ZeroShotClassifier)
        np.testing.assert_allclose(own.vectors.vectors, classifier.vectors.vectors, atol=2e-6)


def test_strength_zero_is_the_base_to_the_last_bit(encoder: Any, suite: Suite) -> None:
    staged = models_at(encoder, change_of(encoder, LAST, INSIDE), (0.0, 1.0))
    vectors = staged.images(stacked(suite))
    np.testing.assert_array_equal(vectors[0], encoder.encode_images(stacked(suite)).vectors)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)


def test_frozen_stages_run_once_for_all_strengths(encoder: Any, suite: Suite) -> None:
    staged = models_at(encoder, change_of(encoder, LAST), (0.0, 0.5, 1.0))
    calls = []
    patches = encoder.network.visual.conv1  # the first layer, which every copy shares
    staged.images(stacked(suite)[:4])  # the comparison with the whole tower runs it once more
    before = [m.network.visual.conv1.register_forward_hook(lambda *_: calls.append(1))
              for m in staged.models]  # fmt: skip
    hook = patches.register_forward_hook(lambda *_: calls.append(1))
    staged.images(stacked(suite)[:4])
    for handle in (*before, hook):
        handle.remove()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("name", "values"), [("visual.nothing", (3, 3)), (LAST, (5, 7))], ids=["name", "shape"]
)
def test_changes_of_another_model_are_refused(
    encoder: Any, suite: Suite, name: str, values: tuple[int, int]
) -> None:
    with pytest.raises(AdapterError, match="made for another model"):
        assess(encoder, {name: Offset(torch.ones(values))}, [suite])


def test_the_base_compared_with_itself_changes_nothing(encoder: Any, suite: Suite) -> None:
    shape = dict(encoder.network.named_parameters())[LAST].shape
    report = assess(encoder, {LAST: Offset(torch.zeros(shape))}, [suite]).reports[0]
    for change in report.changes[-1].values():
        assert (change.value, change.low, change.high) == (0, 0, 0)


def known_suite(images: Sequence[Sequence[float]], texts: Sequence[Sequence[float]],
                suite: Suite) -> EncodedSuite:  # fmt: skip
    space = SpaceId(model="hand", encoder="e", contract="c", pooling="p", dim=2)
    classes = Embeddings(np.eye(2, dtype=np.float32), space)
    return EncodedSuite(
        suite=suite,
        images=(Embeddings(np.array(images, dtype=np.float32), space),),
        classifiers=(ZeroShotClassifier(("a", "b"), classes, 10.0),),
        texts=(Embeddings(np.array(texts, dtype=np.float32), space),),
        text_row={text: row for row, text in enumerate(("x", "y", "z"))},
        unreadable=(),
    )


def test_figures_are_those_counted_by_hand(suite: Suite) -> None:
    four = replace(
        suite.only(range(4)),
        parts=("test",) * 4,
        labels=("a", "a", "a", "b"),
        prompts={"a": ("a",), "b": ("b",)},
        captions=(("x",), ("y",), (), ("z", "x")),
    )
    images = [[1, 0], [0.6, 0.8], [1, 0], [0, 1]]  # answers a, b, a, b: right, wrong, right, right
    texts = [[1, 0], [0.6, 0.8], [0, 1]]
    figures = figures_of(known_suite(images, texts, four), 0, "test")
    assert figures["top1"].value == pytest.approx(3 / 4)
    assert figures["macro_recall"].value == pytest.approx((2 / 3 + 1) / 2)
    # three captioned images and three texts: every best match is a right one but image 3's x,
    # and text x is right for images 0 and 3; so all six recalls are 1
    assert figures["mean_recall"].value == pytest.approx(1.0)
    worse = known_suite(images, [[0, 1], [0.6, 0.8], [1, 0]], four)
    # x and z have changed places. image to text at 1: image 0 finds z (wrong), 1 finds y, 3 finds x
    # text to image at 1: x finds image 3 (right), y image 1, z image 0 (wrong); at 5 and 10 all
    assert figures_of(worse, 0, "test")["mean_recall"].value == pytest.approx((2 / 3 * 2 + 4) / 6)


def test_a_paired_interval_equals_the_bootstrap_written_out() -> None:
    generator = np.random.default_rng(3)
    truths = list(generator.choice(["a", "b", "c"], 40))
    before, after = generator.integers(0, 2, (2, 40)).astype(float)
    groups = [str(n // 4) for n in range(40)]
    found = paired_difference(
        macro_recall_counts(truths, before, groups), macro_recall_counts(truths, after, groups)
    )

    def macro(right: np.ndarray[Any, Any], rows: Sequence[int]) -> float:
        shares = []
        for label in "abc":
            own = [right[row] for row in rows if truths[row] == label]
            if own:
                shares.append(sum(own) / len(own))
        return sum(shares) / len(shares)

    names = sorted(set(groups))
    draws = np.random.default_rng(0)
    differences = []
    for _ in range(RESAMPLES // 100):
        for weights in draws.multinomial(10, np.full(10, 0.1), 100):
            rows = [r for r in range(40) for _ in range(weights[names.index(groups[r])])]
            differences.append(macro(after, rows) - macro(before, rows))
    assert found.value == pytest.approx(macro(after, range(40)) - macro(before, range(40)))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(differences, (2.5, 97.5))))


def test_a_paired_interval_is_narrower_than_two_single_ones() -> None:
    generator = np.random.default_rng(5)
    before = generator.integers(0, 2, 200).astype(float)
    after = before.copy()
    after[:6] = 1 - after[:6]  # nearly the same answers
    groups = [str(n) for n in range(200)]
    change = paired_difference(share_counts(before, groups), share_counts(after, groups))
    single = share_counts(before, groups).interval()
    assert change.high - change.low < (single.high - single.low) / 2


def test_a_paired_difference_of_other_rows_is_refused() -> None:
    hits = np.ones(3)
    with pytest.raises(ValueError, match="same rows"):
        paired_difference(share_counts(hits, ["1", "2", "3"]), share_counts(hits, ["1", "2", "4"]))


def test_test_rows_have_no_say_in_the_strength(encoder: Any, suite: Suite) -> None:
    changes = change_of(encoder, LAST)
    other = replace(
        suite,
        labels=tuple(
            LABELS[(LABELS.index(label) + 1) % 3] if part == "test" else label
            for label, part in zip(suite.labels, suite.parts, strict=True)
        ),
    )
    first, second = (assess(encoder, changes, [each]) for each in (suite, other))
    assert first.points() == second.points()
    assert pick_strength(first, BestMean()) == pick_strength(second, BestMean())
    assert first.reports[0].figures != second.reports[0].figures


def test_the_general_loss_is_the_worst_over_general_suites(encoder: Any, suite: Suite) -> None:
    general = make_suite(encoder, 12, "general")
    found = assess(encoder, change_of(encoder, LAST, INSIDE, TEXT), [general, suite])
    assert [report.role for report in found.reports] == ["domain", "general"]
    scores = found.reports[1].scores()
    assert [p.general_loss for p in found.points()] == pytest.approx(
        [scores[0] - s for s in scores]
    )
    values = found.reports[1].chosen_by[2]
    assert scores[2] == pytest.approx((values["top1"] + values["mean_recall"]) / 2)


def test_an_unreadable_picture_is_left_out_for_both_and_counted(
    encoder: Any, suite: Suite, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    items = (Item("broken", "broken.png", broken), *suite.items[1:])
    report = assess(encoder, change_of(encoder, LAST), [replace(suite, items=items)]).reports[0]
    assert report.rows == {"val": 12, "test": 11}
    assert len(report.unreadable) == 1
    assert "broken.png" in report.unreadable[0]


def test_a_general_suite_that_cannot_be_read_is_named_and_the_rest_goes_on(
    encoder: Any, suite: Suite, tmp_path: Path
) -> None:
    gone = make_suite(encoder, 4, "general")
    items = tuple(Item(f"{n}", f"{n}.png", tmp_path / f"{n}.png") for n in range(4))
    changes = change_of(encoder, LAST)
    found = assess(encoder, changes, [suite, replace(gone, items=items)])
    assert len(found.reports) == 1
    assert "can be read" in found.omitted["general"]
    assert any("was not measured" in line for line in found.lines(1.0))
    with pytest.raises(TuningError, match="can be read"):
        assess(encoder, changes, [replace(gone, items=items, role="domain")])


def test_without_a_domain_there_is_nothing_to_assess(encoder: Any) -> None:
    with pytest.raises(TuningError, match="what was gained"):
        assess(encoder, change_of(encoder, LAST), [make_suite(encoder, 6, "general")])


def test_a_probe_is_compared_with_zero_shot_and_leaves_the_rest_as_it_was(
    encoder: Any, suite: Suite
) -> None:
    vectors = torch.from_numpy(encoder.encode_images(stacked(suite)).vectors)
    means = torch.stack([vectors[place::3].mean(dim=0) for place in range(3)])
    weights = 50 * (means - means.mean(dim=0))
    probe = Probe(LABELS, weights, -0.5 * 50 * (means**2).sum(dim=1))
    general = make_suite(encoder, 12, "general")

    found = assess_probe(encoder, probe, [suite, general])

    rows = [n for n, part in enumerate(suite.parts) if part == "test"]
    answers = (vectors[rows] @ weights.T + probe.bias).argmax(dim=1).tolist()
    right = [LABELS[a] == suite.labels[n] for a, n in zip(answers, rows, strict=True)]
    assert found.reports[0].figures[1]["top1"].value == pytest.approx(np.mean(right))
    assert found.reports[0].changes[1]["mean_recall"].value == 0
    assert all(change.value == 0 for change in found.reports[1].changes[1].values())


def test_the_record_holds_only_plain_values(encoder: Any, suite: Suite) -> None:
    record = assess(encoder, change_of(encoder, LAST), [suite]).record()
    again = json.loads(json.dumps(record, allow_nan=False))
    assert again["strengths"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert set(again["suites"][0]["test"][1]["top1"]) == {"value", "low", "high"}
