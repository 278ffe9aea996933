"""Where bfloat16 is used: only where a probe shows that it pays and agrees, and always recorded."""

from __future__ import annotations

import copy
import itertools
import json
import os
import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.models.computing import image_side
from fieldguide.models.embedded import build_conse, normalise
from fieldguide.models.embeddings import unit_length
from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.precision import MIN_IMAGES
from fieldguide.models.probing import (
    MAX_DISTANCE_ERROR,
    Comparison,
    compare,
    disagreement,
    probe_images,
)
from fieldguide.models.towers import EagerTower, NormalisedTower
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
LONG_JOB = 10_000
TORCH = get_catalog().backends["torch"]


class Log(list[torch.dtype]):
    """In which types a network was run; a copy of the network writes into the same one."""

    def __deepcopy__(self, memo: Any) -> Log:
        return self


class Paced(nn.Module):
    """A network that takes a set time an image in each type, and may be wrong in bfloat16."""

    def __init__(self, fp32_s: float = 0, bf16_s: float = 0, error: float = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 24, 8, stride=8), nn.Flatten(), nn.Linear(384, 16))
        self.seconds = {torch.float32: fp32_s, torch.bfloat16: bf16_s}
        self.error = error
        self.log = Log()

    def forward(self, images: Tensor) -> Tensor:
        self.log.append(images.dtype)
        time.sleep(self.seconds[images.dtype] * len(images))
        features: Tensor = self.layers(images)
        if images.dtype == torch.bfloat16 and self.error:
            features = features + self.error * torch.linspace(-1, 1, len(features))[:, None]
        return features


@pytest.fixture(autouse=True)
def a_processor_with_bfloat16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fieldguide.models.precision.cpu_flags", lambda: {"avx512_bf16"})
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, picture in enumerate(probe_images(3, 40, 50, count=5)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny"))


def facts_of(encoder: Any, count: int = LONG_JOB, precision: str = "auto") -> dict[str, Any]:
    return dict(image_side(encoder, TORCH, precision).for_job(count, None).facts)


# --- what the probe decides


def test_bfloat16_is_chosen_where_it_is_faster_and_agrees(make_encoder: Any) -> None:
    facts = facts_of(make_encoder(Paced(fp32_s=0.002)))
    assert facts["precision"] == "bf16"
    assert "it pays" in facts["precision_reason"]
    assert "x the speed" in facts["precision_reason"]


def test_it_is_declined_where_it_is_slower(make_encoder: Any) -> None:
    facts = facts_of(make_encoder(Paced(bf16_s=0.002)))
    assert facts["precision"] == "fp32"
    assert "does not pay" in facts["precision_reason"]


def test_it_is_declined_where_it_is_only_a_little_faster(make_encoder: Any) -> None:
    facts = facts_of(make_encoder(Paced(fp32_s=0.0055, bf16_s=0.005)))
    assert facts["precision"] == "fp32"


def test_it_is_declined_where_its_vectors_differ_though_it_is_faster(make_encoder: Any) -> None:
    facts = facts_of(make_encoder(Paced(fp32_s=0.002, error=0.5)))
    assert facts["precision"] == "fp32"
    assert "differs too much" in facts["precision_reason"]


def test_it_is_declined_where_a_layer_does_not_exist_in_it(make_encoder: Any) -> None:
    class Float32Only(Paced):
        def forward(self, images: Tensor) -> Tensor:
            if images.dtype != torch.float32:
                raise RuntimeError("not implemented for 'BFloat16'")
            return super().forward(images)

    facts = facts_of(make_encoder(Float32Only()))
    assert facts["precision"] == "fp32"
    assert "not implemented for 'BFloat16'" in facts["precision_reason"]


def test_a_short_job_stays_in_float32_and_is_not_probed(make_encoder: Any) -> None:
    network = Paced(fp32_s=0.002)
    facts = facts_of(make_encoder(network), count=MIN_IMAGES - 1)
    assert facts["precision"] == "fp32"
    assert torch.bfloat16 not in network.log


def test_a_processor_without_the_instructions_is_not_probed(
    make_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldguide.models.precision.cpu_flags", lambda: {"avx2", "avx512f"})
    network = Paced(fp32_s=0.002)
    assert facts_of(make_encoder(network))["precision"] == "fp32"
    assert torch.bfloat16 not in network.log


def test_fp32_is_never_probed_and_bf16_never_refused_when_they_are_asked_for(
    make_encoder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    network = Paced(fp32_s=0.002)
    assert facts_of(make_encoder(network), precision="fp32")["precision"] == "fp32"
    assert torch.bfloat16 not in network.log
    wrong = make_encoder(Paced(error=0.5), name="wrong")
    assert facts_of(wrong, count=1, precision="bf16")["precision"] == "bf16"
    assert "distances differ by at most" in caplog.text  # said, though it is done


def test_neither_precision_of_an_open_clip_model_is_in_training_mode(tmp_path: Path) -> None:
    folder = write_tiny_checkpoint(tmp_path / "resnet", architecture="resnet")
    record = named_model(str(folder), get_catalog())
    tower = cast("NormalisedTower", load_encoder(record, get_catalog(), CPU).image_module)
    for module in (tower, tower.in_bfloat16()):
        assert not any(part.training for part in module.modules())


# --- what is kept of a probe


def at_load(monkeypatch: pytest.MonkeyPatch, processes: float) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (processes, 0.0, 0.0), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


def test_what_was_measured_on_a_busy_machine_is_not_kept(
    make_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_load(monkeypatch, 8.0)
    assert facts_of(make_encoder(Paced(bf16_s=0.002)))["precision"] == "fp32"
    at_load(monkeypatch, 0.5)
    assert facts_of(make_encoder(Paced(fp32_s=0.002)))["precision"] == "bf16"


def test_a_second_job_decides_by_what_was_kept_and_probes_nothing(
    make_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_load(monkeypatch, 0.5)
    first = facts_of(make_encoder(Paced(fp32_s=0.002)))
    slower_now = Paced(bf16_s=0.002)  # would be declined, were it measured
    assert facts_of(make_encoder(slower_now)) == first


def test_a_damaged_file_is_measured_again(
    make_encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_load(monkeypatch, 0.5)
    facts_of(make_encoder(Paced(fp32_s=0.002)))
    (kept,) = (tmp_path / "cache" / "probes").iterdir()
    for damage in (
        "",
        "{",
        "[]",
        '{"facts": {}}',
        kept.read_text().replace('"step": 8', '"step": 9'),
    ):
        kept.write_text(damage)
        assert facts_of(make_encoder(Paced(bf16_s=0.002)))["precision"] == "fp32"


@pytest.mark.parametrize("change", ["model", "instructions"])
def test_another_model_or_processor_is_measured_anew(
    make_encoder: Any, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_of(make_encoder(Paced(fp32_s=0.002)))
    if change == "instructions":
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    name = "other" if change == "model" else "small"
    assert facts_of(make_encoder(Paced(bf16_s=0.002), name=name))["precision"] == "fp32"


def test_without_a_cache_the_probe_is_made_each_time(
    make_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")
    assert facts_of(make_encoder(Paced(fp32_s=0.002)))["precision"] == "bf16"
    assert facts_of(make_encoder(Paced(bf16_s=0.002)))["precision"] == "fp32"


# --- what is measured


def test_disagreement_is_the_largest_error_of_a_distance_in_median_distances() -> None:
    generator = np.random.default_rng(0)
    exact = generator.normal(size=(15, 8))
    found = exact + 0.05 * generator.normal(size=exact.shape)

    def distances(features: Any) -> dict[tuple[int, int], float]:
        units = [row / np.sqrt((row**2).sum()) for row in features]
        return {
            (i, j): float(np.sqrt(((units[i] - units[j]) ** 2).sum()))
            for i, j in itertools.permutations(range(15), 2)
        }

    true, other = distances(exact), distances(found)
    pairs = sorted(true[i, j] for i in range(15) for j in range(i))
    expected_error = max(abs(true[pair] - other[pair]) for pair in true) / pairs[52]
    shared = 0
    for i in range(15):
        nearest = [
            set(sorted((j for j in range(15) if j != i), key=lambda j, d=d, i=i: d[i, j])[:10])
            for d in (true, other)
        ]
        shared += len(nearest[0] & nearest[1])

    error, overlap = disagreement(torch.from_numpy(exact), torch.from_numpy(found))

    assert error == pytest.approx(expected_error, rel=1e-9)
    assert overlap == pytest.approx(shared / 150)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_tower_that_gives_no_numbers_agrees_with_nothing(bad: float) -> None:
    exact = torch.randn(5, 4)
    broken = exact.clone()
    broken[2, 1] = bad
    assert not Comparison(9.0, 0.1, *disagreement(exact, broken)).agrees


def test_features_that_are_all_the_same_prove_no_agreement() -> None:
    same = torch.ones(5, 4)
    assert not Comparison(9.0, 0.1, *disagreement(same, same)).agrees


def test_equal_towers_agree_to_the_last_bit(make_encoder: Any) -> None:
    tower = make_encoder().image_tower
    found = compare(tower, tower, probe_images(3, 32, 32), step=8)
    assert (found.distance_error, found.top10_overlap) == (0, 1)


def test_the_speed_up_is_the_ratio_of_the_times(make_encoder: Any) -> None:
    slow, fast = (
        EagerTower(make_encoder(Paced(fp32_s=seconds)).image_module, CPU)
        for seconds in (0.008, 0.002)
    )
    found = compare(slow, fast, probe_images(3, 32, 32), step=8)
    assert found.speedup == pytest.approx(4, rel=0.25)
    assert found.seconds_per_image == pytest.approx(0.002, rel=0.5)


def test_probe_images_are_the_same_at_every_call_and_no_two_alike() -> None:
    images = probe_images(4, 24, 36)
    assert images.shape == (24, 4, 24, 36)
    assert images.dtype == torch.uint8
    assert torch.equal(images, probe_images(4, 24, 36))
    flat = images.flatten(1).float()
    assert flat.std(dim=1).min() > 5
    assert (torch.cdist(flat, flat) + 1e9 * torch.eye(24)).min() > 100


# --- what is computed


def test_in_bfloat16_the_pixels_are_still_normalised_in_float32() -> None:
    seen = []

    class Record(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return images.flatten(1)

    tower = NormalisedTower(Record(), [122.7709], [68.5005]).in_bfloat16()
    pixels = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)
    result = tower(pixels)
    by_hand = (np.arange(256, dtype=np.float32) - np.float32(122.7709)) / np.float32(68.5005)
    expected = torch.from_numpy(by_hand).bfloat16()
    assert torch.equal(seen[0].flatten(), expected)
    assert result.dtype == torch.float32


def test_the_copy_in_bfloat16_leaves_the_module_as_it_was(make_encoder: Any) -> None:
    module = make_encoder().image_module
    before = copy.deepcopy(module.state_dict())
    module.in_bfloat16()
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_a_job_in_float32_gives_the_very_bits_of_the_encoder(make_encoder: Any) -> None:
    encoder = make_encoder()
    images = probe_images(3, 32, 32)
    job = image_side(encoder, TORCH, "fp32").for_job(LONG_JOB, None)
    assert np.array_equal(job.encoder.encode_images(images).vectors,
                          encoder.encode_images(images).vectors)  # fmt: skip


def test_a_job_in_bfloat16_gives_nearly_the_vectors_of_float32(tiny: str) -> None:
    guide = fg.guide(model=tiny, device="cpu")
    encoder = guide.planner.encoder(guide.planner.text_model()[1])
    images = probe_images(3, *encoder.contract.size_px)
    job = image_side(encoder, TORCH, "bf16").for_job(1, None)
    found = job.encoder.encode_images(images).vectors
    exact = encoder.encode_images(images).vectors
    assert not np.array_equal(found, exact)
    assert (found * exact).sum(axis=1).min() > 0.999


def test_the_embedded_model_computes_what_its_towers_compute_one_after_the_other() -> None:
    encoder = build_conse(get_catalog().registry.model("embedded_conse"), CPU)
    images = probe_images(3, 224, 224, count=3)
    with torch.inference_mode():
        expected = encoder.network.join.image(encoder.network.vision, normalise(images)).numpy()
    assert np.array_equal(encoder.encode_images(images).vectors, unit_length(expected))
    job = image_side(encoder, TORCH, "auto").for_job(LONG_JOB, None)
    assert job.facts["precision"] == "fp32"
    assert np.array_equal(job.encoder.encode_images(images).vectors, unit_length(expected))


def test_the_embedded_model_offers_no_bfloat16_because_its_vectors_would_differ() -> None:
    encoder = build_conse(get_catalog().registry.model("embedded_conse"), CPU)
    with pytest.raises(UsageError, match=r"offers no bfloat16.*--precision fp32"):
        image_side(encoder, TORCH, "bf16")

    lower = copy.deepcopy(encoder.network.vision).bfloat16()
    images = probe_images(3, 224, 224)
    with torch.inference_mode():
        exact = encoder.image_module(images)
        probabilities = lower(normalise(images).bfloat16()).float().softmax(dim=1)
        top = probabilities.topk(10, dim=1)
        weights = top.values / top.values.sum(dim=1, keepdim=True)
        found = (weights[:, :, None] * encoder.network.join.names[top.indices]).sum(dim=1)
    assert disagreement(exact, found)[0] > 5 * MAX_DISTANCE_ERROR


# --- what the user says and reads


def test_an_unknown_precision_is_a_usage_error(make_encoder: Any) -> None:
    with pytest.raises(UsageError, match=r"'fp16'\. There are: auto, fp32, bf16"):
        image_side(make_encoder(), TORCH, "fp16")


def test_results_record_backend_precision_and_why(tiny: str, photos: Path) -> None:
    for asked, got in (("auto", "fp32"), ("fp32", "fp32"), ("bf16", "bf16")):
        guide = fg.guide(model=tiny, device="cpu", precision=asked)
        computing = guide.classify(photos, ["cat", "dog"]).provenance["computing"]
        assert (computing["backend"], computing["precision"]) == ("torch", got)
        assert computing["precision_reason"]
        assert computing["batch_size"] == 16


def test_a_store_tells_how_many_rows_each_precision_wrote(
    tiny: str, photos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "v.parquet"
    fg.guide(model=tiny, device="cpu").embed(photos, target)
    Image.new("RGB", (40, 40), "red").save(photos / "red.png")
    fg.guide(model=tiny, device="cpu", precision="bf16").embed(photos, target)
    record = json.loads((tmp_path / "v.parquet.provenance.json").read_text())
    assert record["rows_written_by"] == {"torch fp32": 5, "torch bf16": 1}


def test_rows_of_a_store_without_a_record_are_not_claimed(
    tiny: str, photos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "v.parquet"
    guide = fg.guide(model=tiny, device="cpu")
    guide.embed(photos, target)
    (tmp_path / "v.parquet.provenance.json").unlink()
    Image.new("RGB", (40, 40), "red").save(photos / "red.png")
    guide.embed(photos, target)
    record = json.loads((tmp_path / "v.parquet.provenance.json").read_text())
    assert record["rows_written_by"] == {"not recorded": 5, "torch fp32": 1}


def test_the_command_line_takes_the_precision(
    tiny: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "v.parquet"
    words = ["embed", str(photos), "-o", str(output), "--model", tiny, "--device", "cpu"]
    cli([*words, "--precision", "bf16"], standalone_mode=False)
    record = json.loads((tmp_path / "v.parquet.provenance.json").read_text())
    assert record["computing"]["precision"] == "bf16"
