"""The plugin's benchmarks, as offered and as run on small copies in the public layouts."""

from __future__ import annotations

import csv
import functools
import json
import shutil
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.benchmarks.measured import LabelledBenchmark
from fieldguide.benchmarks.named_zero_shot import NamedZeroShot
from fieldguide.benchmarks.published import published_beside
from fieldguide.cli import main
from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog
from fieldguide_biodiversity.benchmarks import (
    birds,
    birds_525,
    inat2021,
    meta_album,
    plantvillage,
    rare_species,
    ten_sets,
)
from fieldguide_biodiversity.benchmarks.offers import benchmark_specs
from fieldguide_biodiversity.benchmarks.protocols import CLIP_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

SPECS = list(benchmark_specs())
RANKS = "kingdom,phylum,cls,order,family,genus,species,common_name,filepath,class"


@functools.cache
def guide() -> fg.Guide:
    return fg.guide("biodiversity", modality="organism_photo", model="embedded_conse")


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


def write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def write_table(file: Path, header: str, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    numbered = [f"{number},{line}" for number, line in enumerate(lines)]
    file.write_text("\n".join([f",{header}", *numbered]) + "\n", "utf-8")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_benchmark_bears_the_name_it_is_offered_by(spec: Any) -> None:
    assert spec.load().name == spec.name
    record = get_catalog().registry.dataset(spec.dataset)
    assert record.how_to_get
    assert record.layout
    assert record.licence


def test_every_set_has_zero_shot_few_shot_and_what_is_trained() -> None:
    ends = {(spec.dataset, spec.name.removeprefix(spec.dataset + "_")) for spec in SPECS}
    for dataset in {spec.dataset for spec in SPECS} - {"bioclip_ten_sets"}:
        assert (dataset, "zero_shot") in ends
        assert (dataset, "simple_shot") in ends
        if dataset != "inat2021":  # a probe of 10,000 classes does not end
            assert {(dataset, "knn"), (dataset, "linear_probe")} <= ends


def test_what_is_not_there_is_told_with_the_command_that_says_how_to_get_it(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    for name in ("rare_species_zero_shot", "meta_album_fng_zero_shot", "birds_525_zero_shot",
                 "cub_200_2011_zero_shot", "inat2021_zero_shot", "plantvillage_zero_shot",
                 "fish4knowledge_zero_shot"):  # fmt: skip
        code, _, error = run("benchmark", name, "--root", tmp_path)
        dataset = name.removesuffix("_zero_shot")
        assert code == 2
        assert "it holds notes.txt; expected is" in error
        assert f"fieldguide benchmark {dataset} --how-to-get" in error
        code, out, _ = run("benchmark", dataset, "--how-to-get")
        assert code == 0
        assert "licence" in out.casefold()


def test_clips_templates_are_its_authors_eighty() -> None:
    assert len(CLIP_TEMPLATES) == 80
    assert CLIP_TEMPLATES[0] == "a bad photo of a {}."
    assert "itap of my {}." in CLIP_TEMPLATES


def turtle(name: str, number: int) -> str:
    return f"Animalia,Chordata,Reptilia,Testudines,Testudinidae,Testudo,{name},{name} tortoise,2024-03-20/{number}_9_eol-full-size-copy.jpg,Testudo {name}"  # noqa: E501 - a line of the table


@pytest.fixture
def turtles(tmp_path: Path) -> Path:
    """Two species in the layout of Rare Species, one image of them missing."""
    lines = [turtle(name, number) for name in ("graeca", "hermanni") for number in
             ((1, 2) if name == "graeca" else (3,))]  # fmt: skip
    write_table(tmp_path / "metadata.csv", RANKS, [*lines, turtle("kleinmanni", 4)])
    for number in (1, 2, 3):
        write_image(tmp_path / f"2024-03-20/{number}_9_eol-full-size-copy.jpg", number)
    return tmp_path


def test_rare_species_gives_each_class_its_three_texts_and_its_class_of_animals(
    turtles: Path,
) -> None:
    images = rare_species.DATA.find_subset(turtles, get_catalog())
    assert images.labels == ("Testudo graeca", "Testudo graeca", "Testudo hermanni")
    assert images.names["Testudo graeca"] == {
        "common": "graeca tortoise",
        "scientific": "Testudo graeca",
        "taxonomic with common": "Animalia Chordata Reptilia Testudines Testudinidae Testudo graeca"
        " with common name graeca tortoise",
    }
    assert images.divisions["Testudo graeca"] == "Reptilia"
    assert set(images.names) == {"Testudo graeca", "Testudo hermanni", "Testudo kleinmanni"}


def test_images_in_the_hubs_folders_of_species_are_found_by_name(turtles: Path) -> None:
    folder = turtles / "dataset/Animalia-Chordata-Reptilia-Testudines-Testudinidae-Testudo-graeca"
    folder.parent.mkdir()
    shutil.move(turtles / "2024-03-20", folder)
    images = rare_species.DATA.find_subset(turtles, get_catalog())
    assert len(images.items) == 3
    assert images.items[0].path == folder / "1_9_eol-full-size-copy.jpg"


def test_rare_species_by_bioclips_protocol_ends_with_a_report_of_a_part(
    run: Run, turtles: Path, tmp_path: Path
) -> None:
    target = tmp_path / "report.csv"
    code, out, _ = run("benchmark", "rare_species_zero_shot", "--root", turtles, "--subset",
                       "--model", "embedded_conse", "-o", target)  # fmt: skip
    rows = list(csv.DictReader(target.open(encoding="utf-8")))
    assert code == 0
    assert "80 templates" in " ".join(out.split())
    assert {row["coverage"] for row in rows} == {"subset: 3 of 11983"}
    assert {row["source"] for row in rows} == {"this run"}
    assert {row["part"]: row["n"] for row in rows if row["part"]} == {"Reptilia": "3"}
    code, _, error = run("benchmark", "rare_species_zero_shot", "--root", turtles)
    assert code == 2
    assert "3 of 11983 images" in error


@pytest.mark.shared_data
def test_the_real_table_of_rare_species_has_400_classes_and_398_common_names(
    shared_data: Path, tmp_path: Path
) -> None:
    table = shared_data / "biodiversity/taxonomy/rare_species.csv"
    shutil.copy(table, tmp_path / "metadata.csv")
    with table.open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    write_image(tmp_path / first["filepath"], 1)
    images = rare_species.DATA.find_subset(tmp_path, get_catalog())
    assert (len(images.items), images.whole, len(images.names)) == (1, 11_983, 400)
    assert len({names["common"] for names in images.names.values()}) == 398
    assert len({names["taxonomic with common"] for names in images.names.values()}) == 400
    assert len(set(images.divisions.values())) == 15


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("short", "written", "plain"),
    [
        ("fng", "Amanita excelsa Gonn. & Rabenh.", "Amanita excelsa Gonn. & Rabenh."),
        ("ins", "La Punaise du Chou (Eurydema oleracea)", None),
        ("plk", "Emiliania_huxleyi", "Emiliania huxleyi"),
        ("plt_vil", "Tomato___Late_blight", "Tomato Late blight"),
    ],
)
def test_a_real_table_of_meta_album_is_a_whole_set(
    shared_data: Path, tmp_path: Path, short: str, written: str, plain: str | None
) -> None:
    folder = tmp_path / f"{short.upper()}_Mini"
    folder.mkdir()
    table = shared_data / f"biodiversity/taxonomy/meta_album_{short}.csv"
    shutil.copy(table, folder / "metadata.csv")
    with table.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            (folder / row["filepath"]).parent.mkdir(exist_ok=True)
            (folder / row["filepath"]).touch()
    data = meta_album.meta_album(short)
    images = data.find(tmp_path, get_catalog())
    assert set(Counter(images.labels).values()) == {40}
    assert len(images.names) == meta_album.SETS[short][1]
    assert images.names[written] == {"as written": written, "plain": plain or written}
    next((folder / written).iterdir()).unlink()
    with pytest.raises(UsageError, match=f"{data.reported - 1} of {data.reported} images"):
        data.find(tmp_path, get_catalog())


def test_few_shot_neighbours_and_probe_run_on_a_part_of_a_set(tmp_path: Path) -> None:
    names = ("Amanita muscaria (L.) Lam.", "Mycena rosea Gramberg")
    lines = [f"{name}/{n}.JPG,{name}" for name in names for n in range(6)]
    write_table(tmp_path / "metadata.csv", "filepath,class", lines)
    for place, name in enumerate(names):
        for n in range(6):
            write_image(tmp_path / name / f"{n}.JPG", 10 * place + n)
    model = guide()
    shots = meta_album.meta_album_fng_simple_shot.on_subset(model, tmp_path)
    found = {(figure.metric, figure.part): figure.n for figure in shots.figures}
    assert found == {
        ("top1_accuracy", "5 shots"): 2, ("standard_deviation", "5 shots"): 5,
        ("top1_accuracy", "1 shot"): 10, ("standard_deviation", "1 shot"): 5,
    }  # fmt: skip
    for benchmark in (meta_album.meta_album_fng_knn, meta_album.meta_album_fng_linear_probe):
        report = benchmark.on_subset(model, tmp_path)
        assert (report.main.n, str(report.coverage)) == (2, "subset: 12 of 1000")


def test_published_figures_stand_beside_the_set_and_the_same_protocol_is_marked() -> None:
    registry = get_catalog().registry
    name = "meta_album_plt_net_zero_shot"
    rows = published_beside(registry, name, "meta_album_plt_net", {"top1_accuracy"})
    same = {(row.model, row.value) for row in rows if row.same_protocol}
    assert same == {("BioCLIP ViT-B-16", 88.2), ("BioCLIP 2 ViT-L-14", 96.8)}
    assert ("BioCLIP ViT-B-16", 91.4) in {(row.model, row.value) for row in rows}
    assert len(rows) == 4 + 5


@pytest.mark.parametrize(
    ("source", "decimals"), [("imageomics.github.io/bioclip/", 1), ("github.io/bioclip-2/", 1)]
)
def test_the_published_columns_give_the_published_means(source: str, decimals: int) -> None:
    """A slip of the pen in one of the 98 figures moves a mean; sums are rounded differently."""
    results = [r for r in get_catalog().registry.results
               if source in r.source and r.metric == "top1_accuracy"]  # fmt: skip
    means = {r.model_label: r.value for r in results if "ten sets" in r.dataset}
    for label, mean in means.items():
        column = [
            r.value for r in results if r.model_label == label and "ten sets" not in r.dataset
        ]
        assert len(column) == 10
        assert sum(column) / 10 == pytest.approx(mean, abs=0.1)


@pytest.fixture
def cub(tmp_path: Path) -> Path:
    """Two classes in the layout of CUB-200-2011."""
    root = tmp_path / "CUB_200_2011"
    names = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    images = [f"{name}/{name[4:]}_{n}.jpg" for name in names for n in range(4)]
    for number, path in enumerate(images):
        write_image(root / "images" / path, number)
    ids = range(1, 9)
    lists = {
        "images.txt": [f"{i} {path}" for i, path in zip(ids, images, strict=True)],
        "image_class_labels.txt": [f"{i} {1 + (i > 4)}" for i in ids],
        "train_test_split.txt": [f"{i} {int(i % 4 != 0)}" for i in ids],
        "classes.txt": [f"{i} {name}" for i, name in enumerate(names, start=1)],
    }
    for name, lines in lists.items():
        (root / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def test_the_lists_of_cub_give_classes_and_the_owners_split(cub: Path) -> None:
    images = birds.CUB.find_subset(cub, get_catalog())
    assert Counter(images.splits) == {"train": 6, "test": 2}
    assert images.names["001.Black_footed_Albatross"]["common"] == "Black footed Albatross"
    report = birds.cub_200_2011_zero_shot.on_subset(guide(), cub)
    assert str(report.coverage) == "subset: 2 of 5794"
    shots = birds.cub_200_2011_simple_shot.on_subset(guide(), cub)
    assert [(f.part, f.n) for f in shots.figures if f.metric == "top1_accuracy"] == [("1 shot", 2)]


def test_a_list_that_lacks_an_image_or_is_not_there_is_named(cub: Path) -> None:
    splits = cub / "CUB_200_2011/train_test_split.txt"
    splits.write_text("1 1\n")
    with pytest.raises(UsageError, match=r"images.txt, line 2, is no row of CUB-200-2011: .*no"):
        birds.CUB.find_subset(cub, get_catalog())
    splits.unlink()
    with pytest.raises(UsageError, match=r"train_test_split.txt cannot be read"):
        birds.CUB.find_subset(cub, get_catalog())


def test_the_names_of_nabirds_are_words_and_its_numbers_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "nabirds"
    write_image(root / "images/0817/0000139e21dc4d0cbfe14cae3c85c829.jpg", 1)
    for name, line in (
        ("images.txt", "0000139e-21dc 0817/0000139e21dc4d0cbfe14cae3c85c829.jpg"),
        ("image_class_labels.txt", "0000139e-21dc 817"),
        ("train_test_split.txt", "0000139e-21dc 0"),
        ("classes.txt", "817 Oak Titmouse"),
    ):  # fmt: skip
        (root / name).write_text(line + "\n")
    images = birds.NABIRDS.find_subset(tmp_path, get_catalog())
    assert (images.labels, images.splits) == (("Oak Titmouse",), ("test",))


def test_birds_525_has_three_splits_and_scientific_names(tmp_path: Path) -> None:
    lines = [f"{i},{split}/ABBOTTS BABBLER/{i}.jpg,ABBOTTS BABBLER,{split},MALACOCINCLA ABBOTTI"
             for i, split in enumerate(("train", "valid", "test"))]  # fmt: skip
    header = "class id,filepaths,labels,data set,scientific name"
    (tmp_path / "birds.csv").write_text("\n".join([header, *lines]) + "\n")
    for i, split in enumerate(("train", "valid", "test")):
        write_image(tmp_path / split / "ABBOTTS BABBLER" / f"{i}.jpg", i)
    images = birds_525.DATA.find_subset(tmp_path, get_catalog())
    assert images.splits == ("train", "val", "test")
    assert images.names["ABBOTTS BABBLER"]["scientific"] == "Malacocincla abbotti"
    assert sum(birds_525.DATA.counts.values()) == 89_885
    assert birds_525.DATA.reported == 2625  # as BioCLIP's authors say


def inat(root: Path, **changes: Any) -> Path:
    species = [("Turdus merula", "Birds", "Aves"), ("Pica pica", "Birds", "Aves"),
               ("Rosa canina", "Plants", "Magnoliopsida")]  # fmt: skip
    categories = [
        {"id": number, "name": name, "common_name": "" if number else "Eurasian Blackbird",
         "supercategory": group, "kingdom": "K", "phylum": "P", "class": cls, "order": "O",
         "family": "F", "genus": name.split()[0], "specific_epithet": name.split()[1],
         "image_dir_name": f"0000{number}"}
        for number, (name, group, cls) in enumerate(species)
    ]  # fmt: skip
    images = [{"id": n, "file_name": f"val/0000{n % 3}/{n}.jpg", "latitude": None}
              for n in range(6)]  # fmt: skip
    annotations = [{"id": n, "image_id": n, "category_id": n % 3} for n in range(6)]
    for n in range(6):
        write_image(root / f"val/0000{n % 3}/{n}.jpg", n)
    content = {"images": images, "categories": categories, "annotations": annotations} | changes
    (root / "val.json").write_text(json.dumps(content))
    return root


def test_inaturalist_is_reported_by_supercategory(tmp_path: Path) -> None:
    report = inat2021.inat2021_zero_shot_sci.on_subset(guide(), inat(tmp_path))
    parts = {figure.part: figure.n for figure in report.figures if figure.part}
    assert parts == {"Birds": 4, "Plants": 2}
    names = inat2021.DATA.find_subset(tmp_path, get_catalog()).names
    assert names["Turdus merula"]["common"] == "Eurasian Blackbird"
    assert names["Pica pica"]["common"] == "Pica pica"  # it has no other
    assert names["Pica pica"]["taxonomic with common"] == "K P Aves O F Pica pica"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"categories": []}, "it has not what it should: KeyError"),
        ({"annotations": [{"id": 1}]}, "KeyError"),
        ({"images": 7}, "TypeError"),
    ],
)
def test_a_json_of_another_form_is_refused(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(UsageError, match=fault):
        inat2021.DATA.find_subset(inat(tmp_path, **changes), get_catalog())


def test_folders_of_plantvillage_are_read_as_leaves_with_a_disease(tmp_path: Path) -> None:
    for number, folder in enumerate(("Tomato___Late_blight", "Potato___healthy")):
        write_image(tmp_path / "raw/color" / folder / "a.JPG", number)
    images = plantvillage.DATA.find_subset(tmp_path, get_catalog())
    assert len(images.items) == 2
    assert len(images.names) == 38
    assert images.names["Tomato___Late_blight"]["plain"] == "a tomato leaf with late blight"
    assert sum(plantvillage.COUNTS.values()) == 43_596 + 10_709  # the owners' train and test
    report = plantvillage.plantvillage_zero_shot.on_subset(guide(), tmp_path)
    assert str(report.coverage) == "subset: 2 of 54305"


def test_the_ten_sets_are_those_of_the_paper_and_a_part_of_them_is_named(
    turtles: Path, tmp_path: Path
) -> None:
    whole = ten_sets.bioclip_ten_sets_zero_shot
    assert [member.data.title for member in whole.members] == [
        "Birds 525", "Meta-Album Plankton", "Meta-Album Insects", "Meta-Album Insects 2",
        "Meta-Album PlantNet", "Meta-Album Fungi", "Meta-Album PlantVillage",
        "Meta-Album Medicinal Leaf", "Meta-Album PlantDoc", "Rare Species",
    ]  # fmt: skip
    root = tmp_path / "ten"
    root.mkdir()
    shutil.copytree(turtles, root / "rare_species", ignore=shutil.ignore_patterns("ten"))
    with pytest.raises(UsageError, match="10 of the 10 sets are not there or not whole"):
        whole(guide(), root)
    report = whole.on_subset(guide(), root)
    assert report.main.part == "mean of 1 of 10 sets"
    assert report.published == ()
    assert any(trap.startswith("Not there: Birds 525, Meta-Album Plank") for trap in report.traps)


def test_one_template_in_place_of_eighty_is_another_protocol(turtles: Path) -> None:
    few = LabelledBenchmark(rare_species.DATA, NamedZeroShot("scientific"))
    report = few.on_subset(guide(), turtles)
    assert "one template around it: 'a photo of {}.'" in report.protocol[0]
    assert replace(few, data=rare_species.DATA).name == "rare_species_zero_shot"


@pytest.mark.shared_data
def test_fish_are_measured_by_track_and_classes_without_a_test_image_are_offered(
    shared_data: Path,
) -> None:
    from fieldguide_biodiversity.benchmarks import fish4knowledge

    images = fish4knowledge.DATA.find(shared_data / "biodiversity/fish4knowledge", get_catalog())
    tested = images.reported()
    assert (len(images.items), len(tested.items)) == (1122, 329)
    assert (len(set(tested.groups)), len(set(tested.labels))) == (202, 21)
    train = {g for g, s in zip(images.groups, images.splits, strict=True) if s == "train"}
    assert train.isdisjoint(tested.groups)
