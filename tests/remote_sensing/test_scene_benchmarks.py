"""The plugin's benchmarks, as offered and as run on small copies in the public layouts."""

from __future__ import annotations

import csv
import functools
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.benchmarks.labelled import ClassFolders
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.published import published_beside, training_overlap
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide.cli import main
from fieldguide.errors import UnknownNameError, UsageError
from fieldguide.plugins import get_catalog
from fieldguide.testing import check_plugin
from fieldguide_remote_sensing import plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

SPECS = list(plugin.register_benchmarks())
EUROSAT = ("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture",
           "PermanentCrop", "Residential", "River", "SeaLake")  # fmt: skip
RSSCN7 = ("aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking")


@functools.cache
def guide() -> fg.Guide:
    return fg.guide("remote_sensing")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process."""

    def run_command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fieldguide", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run_command


def picture(path: Path, seed: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of noise in each class folder of RSSCN7's layout."""
    root = tmp_path_factory.mktemp("scenes")
    for place, folder in enumerate(RSSCN7):
        for number in range(5):
            picture(root / "RSSCN7" / folder / f"{folder[0]}{number:03}.jpg", 10 * place + number)
    return root


def test_no_benchmark_has_a_fault() -> None:
    assert [fault for fault in check_plugin(plugin) if "benchmark" in fault] == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_benchmark_bears_the_name_it_is_offered_by(spec: Any) -> None:
    assert spec.load().name == spec.name
    record = get_catalog().registry.dataset(spec.dataset)
    assert record.how_to_get and record.layout


def test_every_result_that_names_a_benchmark_is_of_its_data_set_and_figure() -> None:
    catalog = get_catalog()
    named = [result for result in catalog.registry.results if result.benchmark]
    assert named
    for result in named:
        spec = catalog.benchmarks[str(result.benchmark)]
        assert result.dataset == catalog.registry.dataset(spec.dataset).title
        is_part = spec.metric == "selo_rmi" and result.metric.startswith("selo_")  # of that mean
        assert result.metric == spec.metric or is_part


def test_lists_and_instructions_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom fieldguide.cli import cli\n"
        "for words in (['--list'], ['eurosat_zero_shot', '--how-to-get']):\n"
        "    cli(['benchmark', *words], standalone_mode=False)\n"
        "assert not {'numpy', 'PIL', 'rasterio', 'torch', 'sklearn'} & set(sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "unzip EuroSAT_RGB.zip -d FOLDER" in found.stdout


def test_instructions_are_found_by_the_data_sets_name_too(run: Run) -> None:
    by_set = run("benchmark", "rsicd", "--how-to-get")
    assert by_set == run("benchmark", "rsicd_retrieval", "--how-to-get")
    assert by_set[0] == 0
    assert "dataset_rsicd.json" in by_set[1]


def test_an_unknown_benchmark_is_answered_with_near_names(run: Run) -> None:
    code, _, err = run("benchmark", "eurosat_zeroshot", "--root", ".")
    assert (code, "eurosat_zero_shot" in err) == (2, True)


def test_a_benchmark_without_root_says_how_to_get_the_data(run: Run) -> None:
    code, _, err = run("benchmark", "eurosat_zero_shot")
    assert code == 2
    assert "--root FOLDER" in err
    assert "--how-to-get" in err


def test_a_partial_set_ends_with_2_and_what_is_missing(run: Run, scenes: Path) -> None:
    code, out, err = run("benchmark", "rsscn7_zero_shot", "--root", scenes)
    assert (code, out) == (2, "")
    assert "35 of 2800 images (grassland 5 of 400, " in err
    assert "--subset" in err


def test_a_subset_is_named_as_such_and_stands_beside_no_published_figure(
    run: Run, scenes: Path, tmp_path: Path
) -> None:
    target = tmp_path / "report.csv"
    code, out, _ = run("benchmark", "rsscn7_zero_shot", "--root", scenes, "--subset", "-o", target)
    rows = list(csv.DictReader(target.open(encoding="utf-8")))
    assert code == 0
    assert "subset: 35 of 2800: no published figure" in out
    assert {row["coverage"] for row in rows} == {"subset: 35 of 2800"}
    assert {row["source"] for row in rows} == {"this run"}
    assert [row["metric"] for row in rows[:3]] == [
        "top1_accuracy", "mean_class_accuracy", "top5_accuracy",
    ]  # fmt: skip
    facts = json.loads((tmp_path / "report.csv.provenance.json").read_text("utf-8"))
    assert (facts["benchmark"], facts["model"]["name"]) == ("rsscn7_zero_shot", "embedded_aid")


def test_an_image_that_cannot_be_read_is_counted_out_and_ends_with_3(
    run: Run, scenes: Path, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    for folder in RSSCN7[:2]:
        (root / folder).mkdir(parents=True)
        for file in sorted((scenes / "RSSCN7" / folder).iterdir())[:2]:
            (root / folder / file.name).write_bytes(file.read_bytes())
    (root / "aGrass/a000.jpg").write_bytes(b"no picture")
    code, out, err = run("benchmark", "rsscn7_zero_shot", "--root", root, "--subset")
    assert code == 3
    assert "subset: 3 of 2800" in out
    assert "a000.jpg" in err


@pytest.mark.parametrize("protocol", ["linear_probe", "knn", "few_shot"])
def test_protocols_on_frozen_vectors_report_on_the_test_part(scenes: Path, protocol: str) -> None:
    report = guide().benchmark(f"rsscn7_{protocol}", scenes, subset=True)
    assert report.main.metric == "top1_accuracy"
    assert report.main.n == 7  # one of the five pictures of each of seven classes
    assert str(report.coverage) == "subset: 35 of 2800"


def test_a_model_that_saw_the_data_set_in_training_is_told(tmp_path: Path) -> None:
    for place, folder in enumerate(("Airport", "BareLand")):
        picture(tmp_path / "AID" / folder / "x_1.jpg", place)
    report = guide().benchmark("aid_zero_shot", tmp_path, subset=True)
    assert report.traps[0].startswith("embedded_aid was trained on aid_rsicd, which shares images")


def test_a_set_of_which_nothing_was_trained_on_has_no_such_warning() -> None:
    provenance = {"model": {"name": "embedded_aid", "trained_on": ["aid_rsicd"]}}
    assert len(training_overlap(guide(), provenance, "rsicd")) == 1
    assert training_overlap(guide(), provenance, "rsscn7") == ()


def test_uc_merced_is_read_from_its_tiff_files(tmp_path: Path) -> None:
    for place, folder in enumerate(("beach", "tenniscourt")):
        picture(tmp_path / "UCMerced_LandUse/Images" / folder / f"{folder}00.tif", place)
    report = guide().benchmark("uc_merced_zero_shot", tmp_path, subset=True)
    assert (report.coverage.used, report.failed) == (2, ())


def test_captions_are_searched_both_ways(tmp_path: Path) -> None:
    images = []
    for number in range(12):
        picture(tmp_path / "imgs" / f"{number}.tif", number)
        sentences = [{"raw": f"scene {number}, caption {each}"} for each in range(5)]
        images.append({"filename": f"{number}.tif", "split": "test", "sentences": sentences})
    (tmp_path / "dataset.json").write_text(json.dumps({"images": images}), "utf-8")
    report = guide().benchmark("ucm_captions_retrieval", tmp_path, subset=True)
    assert str(report.coverage) == "subset: 12 of 210"
    assert [(row.metric, row.part, row.n) for row in report.figures] == [
        ("mean_recall", "", 72),
        *((f"recall_at_{k}", "image to text", 12) for k in (1, 5, 10)),
        *((f"recall_at_{k}", "text to image", 60) for k in (1, 5, 10)),
    ]
    six = [row.value for row in report.figures[1:]]
    assert report.main.value == pytest.approx(sum(six) / 6)


def test_published_figures_of_the_same_prompts_are_told_from_others() -> None:
    catalog = get_catalog()
    found = published_beside(
        catalog.registry, "eurosat_zero_shot_rs5m", "eurosat", {"top1_accuracy"}
    )
    same = [(row.model, row.value) for row in found if row.same_protocol]
    assert same == [("GeoRSCLIP ViT-H-14", 67.47), ("GeoRSCLIP ViT-B-32", 61.4)]
    assert any(not row.same_protocol and "OpenAI" in row.model for row in found)


def test_published_figures_stand_beside_a_whole_set_and_beside_no_part_of_it(
    tmp_path: Path,
) -> None:
    data = ClassFolders("eurosat", "EuroSAT", "eurosat", ("EuroSAT_RGB",), counts=1)
    small = LabelledBenchmark(data, ZeroShot("eurosat", "zero_shot_rs5m"))  # few prompts: faster
    for place, folder in enumerate(EUROSAT):
        picture(tmp_path / "EuroSAT_RGB" / folder / "x_1.jpg", place)
    report = small(guide().for_modality("rgb_scene"), tmp_path)
    assert str(report.coverage) == "complete: 10 of 10"
    assert [row.value for row in report.published if row.same_protocol] == [67.47, 61.4]
    (tmp_path / "EuroSAT_RGB/River/x_1.jpg").unlink()
    part = small.on_subset(guide().for_modality("rgb_scene"), tmp_path)
    assert (str(part.coverage), part.published) == ("subset: 9 of 10", ())


def test_a_damaged_image_makes_a_whole_set_a_part(tmp_path: Path) -> None:
    data = ClassFolders("eurosat", "EuroSAT", "eurosat", ("EuroSAT_RGB",), counts=1)
    small = LabelledBenchmark(data, ZeroShot("eurosat", "zero_shot_rs5m"))  # few prompts: faster
    for place, folder in enumerate(EUROSAT):
        picture(tmp_path / "EuroSAT_RGB" / folder / "x_1.jpg", place)
    (tmp_path / "EuroSAT_RGB/River/x_1.jpg").write_bytes(b"\xff\xd8 no more")
    report = small(guide().for_modality("rgb_scene"), tmp_path)
    assert (str(report.coverage), report.published) == ("subset: 9 of 10", ())
    assert len(report.failed) == 1


def test_a_guide_of_another_domain_is_refused(scenes: Path) -> None:
    with pytest.raises(UsageError, match="of the domain 'remote_sensing', not of 'general'"):
        fg.guide("general").benchmark("rsscn7_zero_shot", scenes)


def test_a_benchmark_that_nobody_offers_is_unknown_in_python_too(scenes: Path) -> None:
    with pytest.raises(UnknownNameError):
        guide().benchmark("nothing", scenes)
