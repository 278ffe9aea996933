"""What the reader of docs/tutorial_species.md has: real photographs, tables made for it."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
from pathlib import Path

PHOTOS = {
    "elephants": "000000054718", "giraffe": "000000163497", "sheep": "000000187334",
    "waxwing": "000000172123", "zebras": "000000281789",
}  # fmt: skip
LABELLED = {
    "Aves": "126107 508602",
    "Ailuropoda melanoleuca": "249346",
    "Bos taurus": "357081 420862 435206",
    "Canis familiaris": "022192 030752 069468 273232 332078 418049 427034 442450 505573",
    "Carnivora": "022892",  # a cat and a dog
    "Elephantidae": "301061 519208",
    "Equus": "113354 244592",
    "Equus caballus": "078499 214753 439180",
    "Felis catus": "174231 196393 211042 269314 290843 358083",
    "Giraffa": "101780 261712",
    "Ovis aries": "269196 288685",
    "Ursidae": "020247 229997 235064",
    "Ursus maritimus": "353072 519611",
}
"""Taxa of any rank, by what the captions agree on, and photographs of COCO."""
FISHES = "Abudefduf vaigiensis", "Amphiprion clarkii", "Chaetodon lunulatus", "Chromis chrysura"
FISH_PORTRAITS = (
    "amphiprion_clarkii", "chaetodon_lunulatus", "dascyllus_reticulatus", "zanclus_cornutus"
)  # fmt: skip
LIVING = re.compile(
    r"dog|cat|bird|horse|sheep|cow|elephant|bear|zebra|giraffe|animal|duck|pigeon|lamb|pupp|kitt|"
    r"fruit|plant|flower|banana|apple|orange|broccoli|tree|vegeta|food|pizza|fish|parrot|rid|leav|"
    r"salad|corn|carrot|grass",
    re.IGNORECASE,
)
"""Words of captions that leave a photograph out of those that show no animal or plant."""
RECORDS = {
    "Equus quagga": (-2.3, 34.8, "TZ", 600), "Giraffa camelopardalis": (-2.3, 34.8, "TZ", 400),
    "Loxodonta africana": (-2.3, 34.8, "TZ", 400), "Panthera leo": (-2.3, 34.8, "TZ", 300),
    "Equus zebra": (-23.2, 16.2, "NA", 400), "Elephas maximus": (11.6, 76.6, "IN", 400),
    "Ovis aries": (51.9, -3.4, "GB", 300),
}  # fmt: skip
"""Latitude, longitude, country and number of made records, spread over a third of a degree."""
BOXES = {
    "truck.jpg": [("1", 0.94, [0.27, 0.24, 0.41, 0.31]), ("2", 0.88, [0.0, 0.37, 0.16, 0.56])],
    "pool.jpg": [("1", 0.95, [0.01, 0.32, 0.39, 0.22]), ("1", 0.91, [0.48, 0.32, 0.14, 0.39])],
    "beach.jpg": [("1", 0.89, [0.40, 0.43, 0.10, 0.30]), ("1", 0.93, [0.51, 0.38, 0.23, 0.37])],
    "camp.jpg": [("2", 0.97, [0.1, 0.1, 0.3, 0.8])],
}
"""Category (1 animal, 2 person), confidence and box in shares, as MegaDetector writes them."""
TRAPS = {"truck.jpg": "301061", "pool.jpg": "113354", "beach.jpg": "214753", "camp.jpg": "000790"}
MY_LIST = """class,order,family,genus,species,common_name
Mammalia,Proboscidea,Elephantidae,Loxodonta,Loxodonta africana,African elephant
Mammalia,Perissodactyla,Equidae,Equus,Equus quagga,plains zebra
Mammalia,,Giraffidae,Giraffa,Giraffa camelopardalis,giraffe
Mammalia,Carnivora,Felidae,Panthera,Panthera leo,lion
Aves,Struthioniformes,Struthionidae,Struthio,Struthio camelus,ostrich
"""
DRAWERS = """drawer,name
1,Equus quagga Boddaert 1785
2,Panthera lio
3,Giraffa sp.
"""
BINS = """taxon,bin
Perissodactyla,hoofed
Artiodactyla,hoofed
Proboscidea,elephants
Carnivora,predators
"""


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    """Write a table of rows with the same columns."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_files(data: Path, folder: Path, crops: int = 60) -> None:
    """Make all files of the page in a folder, with at most so many crops of each fish."""
    coco = data / "generic/coco_mini"
    _copy(coco, folder / "photos", {f"{name}.jpg": number for name, number in PHOTOS.items()})
    _label(data, folder)
    _copy(coco, folder / "traps", {name: f"000000{n}" for name, n in TRAPS.items()})
    (folder / "md.json").write_text(json.dumps(_detections()))
    write_rows(folder / "records.csv", _records())
    for name, text in (("my_list.csv", MY_LIST), ("drawers.csv", DRAWERS), ("bins.csv", BINS)):
        (folder / name).write_text(text)
    captioned = [json.loads(line) for line in (coco / "manifest.jsonl").open()]
    empty = [row for row in captioned if not LIVING.search(" ".join(row["captions"]))]
    _copy(coco, folder / "other", {Path(row["image"]).name: Path(row["image"]).stem
                                   for row in empty[:60]})  # fmt: skip
    _replay(coco, folder, [row for row in captioned if row["split"] == "train"])
    _fish(data / "biodiversity/fish4knowledge", folder, crops)


def _copy(coco: Path, folder: Path, names: dict[str, str]) -> None:
    folder.mkdir()
    for name, number in names.items():
        shutil.copyfile(coco / f"images/{number}.jpg", folder / name)


def _label(data: Path, folder: Path) -> None:
    numbers = [(taxon, n) for taxon, all_of_it in LABELLED.items() for n in all_of_it.split()]
    _copy(data / "generic/coco_mini", folder / "labelled",
          {f"{n}.jpg": f"000000{n}" for _, n in numbers})  # fmt: skip
    for fish in FISH_PORTRAITS:
        source = min((data / "biodiversity/fish4knowledge/images" / fish).iterdir())
        shutil.copyfile(source, folder / f"labelled/{fish}.png")
    chance = random.Random(0)
    named = [(taxon, f"{n}.jpg") for taxon, n in numbers]
    named += [("Actinopterygii", f"{fish}.png") for fish in FISH_PORTRAITS]
    write_rows(folder / "labelled.csv", [
        {"path": f"labelled/{name}", "label": taxon,
         "decimalLatitude": round(51.5 + chance.uniform(-2, 2), 3),
         "decimalLongitude": round(chance.uniform(-2, 2), 3),
         "eventDate": f"2026-{1 + place % 12:02d}-15"}
        for place, (taxon, name) in enumerate(named)
    ])  # fmt: skip


def _detections() -> dict[str, object]:
    images = [
        {"file": name, "detections": [{"category": category, "conf": confidence, "bbox": box}
                                      for category, confidence, box in boxes]}
        for name, boxes in BOXES.items()
    ]  # fmt: skip
    categories = {"1": "animal", "2": "person", "3": "vehicle"}
    return {
        "images": images,
        "detection_categories": categories,
        "info": {"detector": "md_v5a.0.0.pt", "format_version": "1.3"},
    }


def _records() -> list[dict[str, object]]:
    chance = random.Random(0)
    return [
        {"species": species, "eventDate": f"2025-{1 + place % 12:02d}-10", "countryCode": country,
         "decimalLatitude": round(latitude + chance.uniform(-0.3, 0.3), 3),
         "decimalLongitude": round(longitude + chance.uniform(-0.3, 0.3), 3)}
        for species, (latitude, longitude, country, count) in RECORDS.items()
        for place in range(count)
    ]  # fmt: skip


def _replay(coco: Path, folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "everyday").mkdir()
    with (folder / "everyday.jsonl").open("w") as stream:
        for row in rows:
            name = Path(str(row["image"])).name
            shutil.copyfile(coco / f"images/{name}", folder / "everyday" / name)
            known = {"path": f"everyday/{name}", "captions": row["captions"]}
            stream.write(f"{json.dumps(known)}\n")


def _fish(source: Path, folder: Path, crops: int) -> None:
    (folder / "fish").mkdir()
    rows = [json.loads(line) for line in (source / "manifest.jsonl").open()]
    kept = [row for fish in FISHES for row in [r for r in rows if r["label"] == fish][:crops]]
    for row in kept:
        shutil.copyfile(source / row["image"], folder / "fish" / Path(row["image"]).name)
    write_rows(folder / "fish.csv", [
        {"path": f"fish/{Path(row['image']).name}", "label": row["label"], "track": row["group"]}
        for row in kept
    ])  # fmt: skip
