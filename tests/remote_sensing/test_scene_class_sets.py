"""Class sets of public data sets: complete, distinct, and fitting the names of the folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fieldguide.errors import UsageError
from fieldguide.plugins import get_catalog
from fieldguide.zeroshot.class_sets import bare, load_class_set
from fieldguide_remote_sensing import plugin
from fieldguide_remote_sensing.benchmarks import (
    aid,
    eurosat,
    patternnet,
    resisc45,
    rsscn7,
    uc_merced,
)

if TYPE_CHECKING:
    from pathlib import Path

# the folders of the archives that the owners give away, copied from their listings
FOLDERS = {
    "eurosat": """AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop
        Residential River SeaLake""",
    "resisc45": """airplane airport baseball_diamond basketball_court beach bridge chaparral church
        circular_farmland cloud commercial_area dense_residential desert forest freeway golf_course
        ground_track_field harbor industrial_area intersection island lake meadow
        medium_residential mobile_home_park mountain overpass palace parking_lot railway
        railway_station rectangular_farmland river roundabout runway sea_ice ship snowberg
        sparse_residential stadium storage_tank tennis_court terrace thermal_power_station
        wetland""",
    "aid": """Airport BareLand BaseballField Beach Bridge Center Church Commercial DenseResidential
        Desert Farmland Forest Industrial Meadow MediumResidential Mountain Park Parking Playground
        Pond Port RailwayStation Resort River School SparseResidential Square Stadium StorageTanks
        Viaduct""",
    "uc_merced": """agricultural airplane baseballdiamond beach buildings chaparral
        denseresidential forest freeway golfcourse harbor intersection mediumresidential
        mobilehomepark overpass parkinglot river runway sparseresidential storagetanks
        tenniscourt""",
    "patternnet": """airplane baseball_field basketball_court beach bridge cemetery chaparral
        christmas_tree_farm closed_road coastal_mansion crosswalk dense_residential ferry_terminal
        football_field forest freeway golf_course harbor intersection mobile_home_park nursing_home
        oil_gas_field oil_well overpass parking_lot parking_space railway river runway
        runway_marking shipping_yard solar_panel sparse_residential storage_tank swimming_pool
        tennis_court transformer_station wastewater_treatment_plant""",
    "rsscn7": "aGrass bField cIndustry dRiverLake eForest fResident gParking",
}
COUNTED = {"eurosat": 10, "resisc45": 45, "aid": 30, "uc_merced": 21, "patternnet": 38,
           "rsscn7": 7, "bigearthnet_19": 19}  # fmt: skip
SETS = {"eurosat": eurosat.DATA, "resisc45": resisc45.DATA, "aid": aid.DATA,
        "uc_merced": uc_merced.DATA, "patternnet": patternnet.DATA,
        "rsscn7": rsscn7.DATA}  # fmt: skip
IMAGES = {"eurosat": 27_000, "resisc45": 31_500, "aid": 10_000, "uc_merced": 2_100,
          "patternnet": 30_400, "rsscn7": 2_800}  # fmt: skip
RS5M = ("eurosat", "resisc45", "aid")


@pytest.mark.parametrize(("name", "classes"), COUNTED.items())
def test_a_class_set_has_as_many_classes_as_its_data_set(name: str, classes: int) -> None:
    assert len(load_class_set(name, get_catalog()).classes) == classes


@pytest.mark.parametrize("name", plugin.CLASS_SETS)
def test_no_name_stands_for_two_classes(name: str) -> None:
    names = [n for entry in load_class_set(name, get_catalog()).classes for n in entry.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", plugin.CLASS_SETS)
def test_every_prompt_of_a_set_is_distinct_and_says_its_source(name: str) -> None:
    found = load_class_set(name, get_catalog())
    prompts = [text for texts in found.prompts().values() for text in texts]
    assert len(prompts) == len(set(prompts))
    assert "arXiv:" in found.source or "doi:" in found.source


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_of_the_public_layout_is_one_class(name: str) -> None:
    found = load_class_set(name, get_catalog())
    by_alias = found.by_alias()
    mapped = [by_alias[bare(folder)] for folder in FOLDERS[name].split()]
    assert sorted(mapped) == sorted(found.labels)


@pytest.mark.parametrize(("name", "images"), IMAGES.items())
def test_the_images_of_a_set_add_up_to_the_published_number(name: str, images: int) -> None:
    data = SETS[name]
    labels = load_class_set(data.class_set, get_catalog()).labels
    assert sum(data.expected(labels).values()) == images
    assert get_catalog().registry.dataset(name).images == images


def test_the_labels_of_bigearthnet_are_those_of_its_metadata() -> None:
    labels = load_class_set("bigearthnet_19", get_catalog()).labels
    assert labels[6] == (
        "Land principally occupied by agriculture, with significant areas of natural vegetation"
    )
    assert labels[-2:] == ("Inland waters", "Marine waters")


@pytest.mark.parametrize("name", RS5M)
def test_the_prompts_of_rs5m_use_the_folders_names_in_lower_case(name: str) -> None:
    found = load_class_set(f"{name}_rs5m", get_catalog())
    names = [entry.names for entry in found.classes]
    assert sorted(names) == sorted(
        (folder.lower().replace("_", " "),) for folder in FOLDERS[name].split()
    )
    assert found.labels == load_class_set(name, get_catalog()).labels


@pytest.mark.parametrize("name", RS5M)
def test_the_templates_of_rs5m_are_35_around_each_of_three_nouns(name: str) -> None:
    templates = load_class_set(f"{name}_rs5m", get_catalog()).templates
    assert len(templates) == len(set(templates)) == 105
    for noun in ("remote sensing image", "aerial image", "satellite image"):
        assert sum(noun in template for template in templates) == 35


def test_clip_templates_are_those_of_its_authors() -> None:
    catalog = get_catalog()
    assert load_class_set("eurosat", catalog).templates == (
        "a centered satellite photo of {}.",
        "a centered satellite photo of a {}.",
        "a centered satellite photo of the {}.",
    )
    assert len(load_class_set("resisc45", catalog).templates) == 18


@pytest.mark.shared_data
def test_a_part_of_aid_is_found_in_its_folders_and_known_as_a_part(shared_data: Path) -> None:
    root = shared_data / "remote_sensing/aid_rsicd"
    found = aid.DATA.find_subset(root, get_catalog())
    assert (len(found.items), len(set(found.labels)), found.whole) == (2827, 30, 10_000)
    with pytest.raises(UsageError, match=r"a part of AID: 2827 of 10000 images"):
        aid.DATA.find(root, get_catalog())
