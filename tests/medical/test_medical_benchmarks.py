"""The plugin's benchmarks, as offered and as run on small copies in the public layouts."""

from __future__ import annotations

import csv
import functools
import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.nearest_neighbours import NearestNeighbours
from fieldguide.benchmarks.published import published_beside, training_overlap
from fieldguide.benchmarks.zero_shot import ZeroShot
from fieldguide.cli import main
from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide_medical import plugin
from fieldguide_medical.benchmarks import bccd, ct_rate, lc25000, merlin, mhist, nct_crc, pcam
from fieldguide_medical.benchmarks.ct_rate_findings import CtRateFindings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

SPECS = list(plugin.register_benchmarks())


@functools.cache
def guide() -> fg.Guide:
    return fg.guide("medical", modality="histology_tile", show_paths=True)


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


def tile(seed: int, side_px: int = 48) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Noise in the colours of haematoxylin and eosin."""
    noise = np.random.default_rng(seed).integers(-30, 31, (side_px, side_px, 3))
    return np.clip(np.array([190, 100, 180]) + noise, 0, 255).astype(np.uint8)


def write_tile(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tile(seed)).save(path)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_benchmark_bears_the_name_it_is_offered_by(spec: Any) -> None:
    assert spec.load().name == spec.name
    record = get_catalog().registry.dataset(spec.dataset)
    assert record.how_to_get
    assert record.layout
    assert record.licence


def test_the_list_of_one_domain_has_no_other(run: Run) -> None:
    code, out, _ = run("benchmark", "--list", "--domain", "medical")
    assert code == 0
    assert "nct_crc_zero_shot" in out
    assert "bccd_counting" in out
    assert "remote_sensing" not in out
    assert run("benchmark", "--list", "--domain", "medica")[0] == 2


def test_how_to_get_says_what_lies_where(run: Run) -> None:
    code, out, _ = run("benchmark", "nct_crc", "--how-to-get")
    assert code == 0
    assert "zenodo.org/records/1214456/files/CRC-VAL-HE-7K.zip" in out
    assert "CRC-VAL-HE-7K/<ADI" in out


def test_the_counts_of_both_parts_of_nct_crc_are_the_published_ones() -> None:
    assert sum(nct_crc.TRAIN) == 100_000
    assert sum(nct_crc.TEST) == 7_180


def test_quiltnets_names_are_those_of_its_authors_and_ours_are_marked() -> None:
    catalog = get_catalog()
    theirs = load_class_set("nct_crc_quilt", catalog)
    assert "background" not in theirs.labels  # eval/en_classnames.json has eight names
    assert [entry.names for entry in load_class_set("bach_quilt", catalog).classes] == [
        ("breast normal breast tissue",),
        ("breast non-malignant benign tissue",),
        ("breast malignant in-situ carcinoma",),
        ("breast malignant invasive carcinoma",),
    ]
    assert "Quilt-1M" in theirs.source
    assert "Quilt" not in load_class_set("nct_crc", catalog).source


def test_published_figures_stand_beside_the_whole_set_alone() -> None:
    registry = get_catalog().registry
    whole = published_beside(
        registry, "lc25000_lung_whole_zero_shot", "lc25000_lung_whole", {"top1_accuracy"}
    )
    assert {(row.model, row.value) for row in whole} >= {
        ("PLIP", 79), ("QuiltNet (backbone not stated)", 80)
    }  # fmt: skip
    assert not any(row.same_protocol for row in whole)  # other templates, images not stated
    part = published_beside(registry, "lc25000_lung_zero_shot", "lc25000_lung", {"top1_accuracy"})
    assert part == ()


def test_a_model_that_saw_the_part_has_seen_the_whole() -> None:
    facts = {"model": {"name": "m", "trained_on": ["lc25000_lung"]}}
    (sentence,) = training_overlap(guide(), facts, "lc25000_lung_whole")
    assert "shares images with lc25000_lung_whole" in sentence


@pytest.fixture(scope="module")
def colorectal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few tiles of each class in both folders of Kather's layout."""
    root = tmp_path_factory.mktemp("crc")
    for place, folder in enumerate(("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR",
                                    "TUM")):  # fmt: skip
        for number in range(5):
            write_tile(
                root / f"NCT-CRC-HE-100K/{folder}/{folder}-{number}.tif", 20 * place + number
            )
        write_tile(root / f"CRC-VAL-HE-7K/{folder}/{folder}-TCGA.tif", 20 * place + 7)
    return root


def test_a_subset_is_named_as_such(run: Run, colorectal: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    code, out, _ = run("benchmark", "nct_crc_zero_shot_quilt", "--root", colorectal, "--subset",
                       "-o", target)  # fmt: skip
    rows = list(csv.DictReader(target.open(encoding="utf-8")))
    assert code == 0
    assert {row["coverage"] for row in rows} == {"subset: 8 of 6333"}  # without background
    assert {row["source"] for row in rows} == {"this run"}
    assert "QuiltNet's authors leave the background out" in " ".join(out.split())


def test_a_part_without_subset_ends_with_2(run: Run, colorectal: Path) -> None:
    code, out, err = run("benchmark", "nct_crc_zero_shot", "--root", colorectal)
    assert (code, out) == (2, "")
    assert "9 of 7180 images" in err


def test_a_probe_is_trained_on_the_owners_train_and_reported_on_their_test(
    colorectal: Path,
) -> None:
    report = nct_crc.nct_crc_knn.on_subset(guide(), colorectal)
    assert report.main.n == 9  # all of CRC-VAL-HE-7K that is there
    assert report.coverage.used == 54
    assert report.coverage.whole == 107_180
    assert "The owners' split" in report.protocol[0]


def test_the_test_part_alone_is_enough_for_zero_shot(colorectal: Path, tmp_path: Path) -> None:
    shutil.copytree(colorectal / "CRC-VAL-HE-7K", tmp_path / "CRC-VAL-HE-7K")
    report = nct_crc.nct_crc_zero_shot.on_subset(guide(), tmp_path)
    assert str(report.coverage) == "subset: 9 of 7180"
    with pytest.raises(UsageError, match="NCT-CRC-HE-100K/ with a folder a class"):
        nct_crc.nct_crc_linear_probe.on_subset(guide(), tmp_path)


def write_mhist(root: Path, rows: list[tuple[str, str, str]]) -> Path:
    (root / "images").mkdir(parents=True, exist_ok=True)
    lines = ["Image Name,Majority Vote Label,Number of Annotators who Selected SSA (Out of 7),"
             "Partition"]  # fmt: skip
    for number, (name, label, split) in enumerate(rows):
        if ".." not in name:
            write_tile(root / "images" / name, number)
        lines.append(f"{name},{label},3,{split}")
    (root / "annotations.csv").write_text("\n".join(lines) + "\n")
    return root


def test_a_table_gives_labels_and_partitions(tmp_path: Path) -> None:
    rows = [(f"MHIST_{n}.png", "HP" if n % 2 else "SSA", "test" if n < 4 else "train")
            for n in range(6)]  # fmt: skip
    root = write_mhist(tmp_path, rows)
    images = mhist.DATA.find_subset(root, get_catalog())
    assert images.labels[:2] == ("sessile serrated adenoma", "hyperplastic polyp")
    assert len(images.reported().items) == 4
    report = mhist.mhist_zero_shot.on_subset(guide(), root)
    assert str(report.coverage) == "subset: 4 of 977"
    with pytest.raises(UsageError, match=r"6 of 3152 images \(train 2 of 2175, test 4 of 977\)"):
        mhist.mhist_zero_shot(guide(), root)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("../secret.png", "HP", "test"), "lies outside the data set"),
        (("a.png", "cat", "test"), "'cat' is no class of the set"),
        (("a.png", "HP", "valid"), "'valid' is no split of the set"),
    ],
)
def test_a_row_that_is_no_row_of_the_set_is_named(
    tmp_path: Path, row: tuple[str, str, str], fault: str
) -> None:
    root = write_mhist(tmp_path, [row])
    with pytest.raises(UsageError, match=f"line 2, is no row of MHIST: .*{fault}"):
        mhist.DATA.find_subset(root, get_catalog())


def write_pcam(root: Path, split: str, labels: list[int]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for axis, values in (("x", np.stack([tile(n, 96) for n in range(len(labels))])),
                         ("y", np.array(labels).reshape(-1, 1, 1, 1))):  # fmt: skip
        with h5py.File(root / f"camelyonpatch_level_2_split_{split}_{axis}.h5", "w") as file:
            file[axis] = values


def test_tiles_of_hdf5_files_are_read_when_they_are_needed(tmp_path: Path) -> None:
    write_pcam(tmp_path, "test", [0, 1, 1, 0])
    images = pcam.TEST.find_subset(tmp_path, get_catalog())
    np.testing.assert_array_equal(np.asarray(images.items[2].image), tile(2, 96))
    report = pcam.pcam_zero_shot.on_subset(guide(), tmp_path)
    assert str(report.coverage) == "subset: 4 of 32768"
    assert [figure.n for figure in report.figures if figure.metric == "class_accuracy"] == [2, 2]


def test_a_packed_or_damaged_file_of_tiles_is_named(tmp_path: Path) -> None:
    write_pcam(tmp_path, "test", [0, 1])
    labels = tmp_path / "camelyonpatch_level_2_split_test_y.h5"
    labels.write_bytes(b"\x1f\x8b" + bytes(20))
    with pytest.raises(UsageError, match=r"test_y.h5: it is packed"):
        pcam.TEST.find_subset(tmp_path, get_catalog())
    labels.write_bytes(b"no hdf5")
    with pytest.raises(UsageError, match="it is no HDF5 file"):
        pcam.TEST.find_subset(tmp_path, get_catalog())
    write_pcam(tmp_path / "other", "test", [0, 1, 1])
    shutil.copy(tmp_path / "other" / labels.name, labels)
    with pytest.raises(UsageError, match=r"has 2 tiles and .* 3 labels"):
        pcam.TEST.find_subset(tmp_path, get_catalog())


def smear(root: Path, name: str, boxes: list[tuple[str, int, int, int, int]]) -> None:
    for folder in ("Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(tile(1, 64)).save(root / f"JPEGImages/{name}.jpg")
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for label, a, b, c, d in boxes
    )
    (root / f"Annotations/{name}.xml").write_text(
        f"<annotation><filename>{name}.jpg</filename><size><width>64</width><height>64</height>"
        f"<depth>3</depth></size>{objects}</annotation>"
    )


def test_cells_are_called_by_their_names_and_faulty_files_of_the_owners_left_out(
    tmp_path: Path,
) -> None:
    smear(tmp_path, "a", [("RBC", 1, 1, 9, 9), ("RBC", 20, 20, 30, 30), ("WBC", 40, 40, 60, 60)])
    smear(tmp_path, "b", [("RBC", 5, 5, 5, 5)])
    found = bccd.DATA.find(tmp_path, whole=False)
    assert [box.label for box in found.images[0].boxes] == [
        "red blood cell", "red blood cell", "white blood cell",
    ]  # fmt: skip
    assert len(found.skipped) == 1
    with pytest.raises(UsageError, match="1 of 362 images, 1 with boxes that cannot be used"):
        bccd.DATA.find(tmp_path, whole=True)


@pytest.mark.shared_data
def test_362_of_364_smears_can_be_counted(shared_data: Path) -> None:
    found = bccd.DATA.find(shared_data / "medical/bccd", whole=True)
    assert len(found.images) == 362
    assert len(found.skipped) == 2


@pytest.mark.shared_data
def test_the_lung_tiles_are_measured_by_source_tile(shared_data: Path, tmp_path: Path) -> None:
    rows = [
        json.loads(line)
        for line in (shared_data / "medical/lc25000_lung/manifest.jsonl").read_text().splitlines()
    ]
    chosen = [row for row in rows if row["split"] == "test"][::9]
    for row in chosen:
        (tmp_path / row["image"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared_data / "medical/lc25000_lung" / row["image"], tmp_path / row["image"])
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chosen))
    spec = get_catalog().benchmarks["lc25000_lung_zero_shot"]
    report = spec.load().on_subset(guide(), tmp_path)
    assert str(report.coverage) == f"subset: {len(chosen)} of 292"
    assert report.main.value >= 75  # the whole test split: 91.8
    assert "bootstrap samples of groups" in report.protocol[-1]
    assert any("trained on lc25000_lung" in trap for trap in report.traps)


@pytest.mark.shared_data
def test_the_lung_tiles_are_found_from_the_folder_above_too(shared_data: Path) -> None:
    above = shared_data / "medical"
    found = lc25000.SUBSET.find(above, get_catalog())
    assert len(found.items) == 1480
    assert len(lc25000.SUBSET.find(above / "lc25000_lung", get_catalog()).items) == 1480


def test_every_tile_set_is_measured_by_its_own_class_sets() -> None:
    for spec in SPECS:
        benchmark = spec.load()
        if isinstance(benchmark, LabelledBenchmark) and isinstance(benchmark.protocol, ZeroShot):
            load_class_set(benchmark.protocol.class_set, get_catalog())
        elif isinstance(benchmark, LabelledBenchmark):
            assert isinstance(benchmark.protocol, NearestNeighbours) or spec.name.endswith("probe")


def write_ct_rate(root: Path, names: list[str]) -> Path:
    table = root / "dataset/radiology_text_reports/validation_reports.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    lines = ["VolumeName,ClinicalInformation_EN,Technique_EN,Findings_EN,Impressions_EN"]
    lines += [f'{name},cough,,"No effusion, no nodule.",Normal.' for name in names]
    table.write_text("\n".join(lines) + "\n")
    (root / "dataset/valid_fixed").mkdir(parents=True, exist_ok=True)
    for name in names:
        if name.startswith("valid_") and ".." not in name:
            parts = name.split("_")
            folder = root / "dataset/valid_fixed" / "_".join(parts[:2]) / "_".join(parts[:3])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    return root


def test_of_a_scan_of_ct_rate_the_first_reconstruction_is_searched_for(tmp_path: Path) -> None:
    names = ["valid_1_a_1.nii.gz", "valid_1_a_2.nii.gz", "valid_1_b_1.nii.gz", "valid_2_a_1.nii.gz"]
    found = ct_rate.DATA.find(write_ct_rate(tmp_path, names), whole=False)
    assert [item.path.name for item in found.items if item.path] == [names[0], names[2], names[3]]
    assert found.groups == ("valid_1", "valid_1", "valid_2")
    assert found.texts[0] == "No effusion, no nodule. Normal."
    assert found.whole == 1564
    with pytest.raises(UsageError, match="3 of 1564 volumes"):
        ct_rate.DATA.find(tmp_path, whole=True)


def test_the_findings_of_all_volumes_of_ct_rate_are_read(tmp_path: Path) -> None:
    names = ["valid_1_a_1.nii.gz", "valid_1_a_2.nii.gz", "valid_2_a_1.nii.gz"]
    root = write_ct_rate(tmp_path, names)
    table = root / "dataset/multi_abnormality_labels/valid_predicted_labels.csv"
    table.parent.mkdir()
    columns = [entry.label for entry in load_class_set("ct_rate_18", get_catalog()).classes]
    lines = [",".join(["VolumeName", *columns])]
    lines += [",".join([name, *("1" if n == k else "0" for n in range(18))])
              for k, name in enumerate(names)]  # fmt: skip
    table.write_text("\n".join(lines) + "\n")
    found = CtRateFindings().find(root, whole=False)
    np.testing.assert_array_equal(found.findings, np.eye(3, 18, dtype=bool))
    assert found.groups == ("valid_1", "valid_1", "valid_2")
    table.write_text("\n".join([*lines, "valid_3_a_1.nii.gz,1,2"]) + "\n")
    with pytest.raises(UsageError, match="line 5, is no row of CT-RATE: it has no 18 findings"):
        CtRateFindings().find(root, whole=False)


def test_a_name_that_is_no_volume_of_ct_rate_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 2, is no row of CT-RATE") as caught:
        ct_rate.DATA.find(write_ct_rate(tmp_path, ["../../jane_doe_1.nii.gz"]), whole=False)
    assert "jane" not in str(caught.value)


def test_the_test_part_of_merlins_table_is_measured(tmp_path: Path) -> None:
    (tmp_path / "merlin_data").mkdir()
    rows = ["study id,Findings,Split", "AC1,Clear.,train", "AC2,Liver normal.,test",
            "AC3,Cyst.,test"]  # fmt: skip
    (tmp_path / "reports_final.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "merlin_data/AC2.nii.gz").touch()
    found = merlin.DATA.find(tmp_path, whole=False)
    assert (found.texts, found.whole) == (("Liver normal.",), 2)
    with pytest.raises(UsageError, match=r"1 of 2 volumes \(AC3.nii.gz not there\)"):
        merlin.DATA.find(tmp_path, whole=True)
    assert (merlin.pool_32.pool_size, merlin.pool_64.pool_size) == (32, 64)


def test_published_recalls_of_other_pools_are_told_apart_by_their_protocol() -> None:
    beside = published_beside(get_catalog().registry, "merlin_pool_64", "merlin", {"recall_at_1"})
    assert {row.protocol for row in beside} >= {
        "image to findings; pools of 64, not the whole test set",
        "image to findings; pools of 128, not the whole test set",
    }
    assert not any(row.same_protocol for row in beside)
