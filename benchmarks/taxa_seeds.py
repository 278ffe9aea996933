"""Small sound inputs of every kind that names, places and sights of species come in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from hostile_seeds import CHECKPOINT, Seed, checkpoint_of
from PIL import Image

from fieldguide.guides import Guide
from fieldguide.taxonomy.tree_file import write_tree
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.zeroshot.choose_taxa import taxa
from fieldguide.zeroshot.none_of_these import NoneRule
from fieldguide.zeroshot.taxa_calibration import TaxaCalibration, digest_of
from fieldguide_biodiversity.checklists.read import build
from fieldguide_biodiversity.priors.build import build_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PHOTOS, INDEX, TREE = "photos", "index", "around.tree"
_DWC = "http://rs.tdwg.org/dwc/terms/"
_FORM = 'encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" ignoreHeaderLines="1"'
TAXA = (
    ("1", "", "", "Animalia", "kingdom", "accepted"),
    ("2", "1", "", "Chordata", "phylum", "accepted"),
    ("3", "2", "", "Aves", "class", "accepted"),
    ("4", "3", "", "Passeriformes", "order", "accepted"),
    ("5", "4", "", "Turdidae", "family", "accepted"),
    ("6", "5", "", "Turdus", "genus", "accepted"),
    ("7", "6", "", "Turdus merula Linnaeus, 1758", "species", "accepted"),
    ("8", "6", "", "Turdus migratorius", "species", "accepted"),
    ("9", "", "7", "Merula merula", "species", "synonym"),
    ("10", "1", "", "Arthropoda", "phylum", "accepted"),
    ("11", "10", "", "Insecta", "class", "accepted"),
    ("12", "11", "", "Oenanthe", "genus", "accepted"),
)
_TERMS = ("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "taxonRank",
          "taxonomicStatus")  # fmt: skip
_LANGUAGES = (("7", "Common blackbird", "en"), ("7", "Amsel", "de"), ("3", "birds", "en"))
META = f"""<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">
<core {_FORM} rowType="{_DWC}Taxon"><files><location>taxon.txt</location></files><id index="0"/>
{"".join(f'<field index="{n}" term="{_DWC}{term}"/>' for n, term in enumerate(_TERMS))}</core>
<extension {_FORM} rowType="http://rs.gbif.org/terms/1.0/Distribution">
<files><location>places.txt</location></files><coreid index="0"/>
<field index="1" term="{_DWC}countryCode"/></extension>
<extension {_FORM} rowType="http://rs.gbif.org/terms/1.0/VernacularName">
<files><location>names.txt</location></files><coreid index="0"/>
<field index="1" term="{_DWC}vernacularName"/>
<field index="2" term="http://purl.org/dc/terms/language"/></extension></archive>
"""
EML = "<eml><dataset><title>B</title><intellectualRights>CC0</intellectualRights></dataset></eml>"
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
LINEAGES = (
    ("Animalia", "Chordata", "Aves", "Passeriformes", "Turdidae", "Turdus", "Turdus merula"),
    ("Animalia", "Chordata", "Aves", "Passeriformes", "Turdidae", "Turdus", "Turdus migratorius"),
    ("Animalia", "Arthropoda", "Insecta", "", "Nymphalidae", "Vanessa", "Vanessa atalanta"),
)
_RECORDS = ("gbifID", "scientificName", "species", "genus", "family", "kingdom", "decimalLatitude",
            "decimalLongitude", "eventDate", "month", "countryCode", "occurrenceStatus",
            "basisOfRecord", "individualCount")  # fmt: skip


def write_taxa_seeds(folder: Path) -> list[Seed]:
    """Write all seeds, each into a folder of its own, and what commands need beside them."""
    _write_around(folder)
    makers: dict[str, Callable[[Path], str]] = {
        "tree": _tree,
        "darwin core zip": lambda place: _zip(place / "checklist.zip", _checklist()),
        "darwin core folder": lambda place: _folder(place, _checklist()),
        "coldp zip": lambda place: _zip(place / "coldp.zip", _coldp()),
        "gbif simple": _gbif_simple,
        "inat categories": _inat,
        "rank table": lambda place: _text(place / "ranks.csv", _table(RANKS, LINEAGES)),
        "parent table": _parents,
        "names table": lambda place: _text(place / "names.csv", _names()),
        "occurrences zip": lambda place: _zip(place / "0001.zip", {"0001.csv": _records("\t")}),
        "occurrences csv": lambda place: _text(place / "records.csv", _records(",")),
        "prior": _prior,
        "megadetector": lambda place: _json(place / "md.json", _detections()),
        "camera traps": lambda place: _json(place / "traps.json", _traps()),
        "calibration": _calibration(folder),
        "bins": lambda place: _text(place / "bins.csv", "taxon,bin\nAves,birds\nInsecta,other\n"),
        "clade text": lambda place: _text(place / "clades.txt", "# mine\nAves\nVanessa\n"),
        "clade table": lambda place: _text(place / "clades.csv", _names()),
        "descriptions csv": lambda place: _text(place / "looks.csv", _looks()),
        "descriptions json": lambda place: _json(place / "looks.json", _sentences()),
        "descriptions yaml": _descriptions_yaml,
        "queries": lambda place: _text(
            place / "queries.csv", "query_id,query,category\n1,a bird,looks\n2,a fly,other\n"
        ),
    }
    seeds = []
    for kind, make in makers.items():
        place = folder / kind.replace(" ", "_")
        place.mkdir(parents=True)
        seeds.append(Seed(kind, place, make(place)))
    return seeds


def _write_around(folder: Path) -> None:
    """Write a tiny model, three photographs and an index of them."""
    (folder / PHOTOS).mkdir(parents=True)
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(noise).save(folder / PHOTOS / f"{number}.png")
    (folder / CHECKPOINT).mkdir()
    write_tiny_checkpoint(checkpoint_of(folder))
    _guide(folder).index(folder / PHOTOS, folder / f"{INDEX}.fg")
    _tree(folder, TREE)


def _guide(folder: Path) -> Guide:
    return Guide("biodiversity", model=str(checkpoint_of(folder)), out_of_scope=True)


def _table(header: tuple[str, ...], rows: Any, delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _checklist() -> dict[str, str]:
    return {
        "meta.xml": META,
        "eml.xml": EML,
        "taxon.txt": _table(_TERMS, TAXA, "\t"),
        "places.txt": "id\tcountry\n7\tGB\n8\tUS\n",
        "names.txt": _table(("id", "name", "language"), _LANGUAGES, "\t"),
    }


def _coldp() -> dict[str, str]:
    rows = [(key, parent or accepted, status, name, rank)
            for key, parent, accepted, name, rank, status in TAXA]  # fmt: skip
    header = ("ID", "parentID", "status", "scientificName", "rank")
    names = _table(("taxonID", "name", "language"), _LANGUAGES, "\t")
    return {
        "NameUsage.tsv": _table(header, rows, "\t"),
        "VernacularName.tsv": names,
        "Distribution.tsv": "taxonID\tarea\tgazetteer\n7\tGB\tiso\n",
        "metadata.yaml": "title: Birds\nlicense: cc0\nversion: '1'\n",
    }


def _gbif_simple(place: Path) -> str:
    lines = []
    for key, parent, accepted, name, rank, _ in TAXA:
        cells = ["\\N"] * 30
        cells[0], cells[1], cells[5] = key, parent or accepted or "\\N", rank.upper()
        cells[3], cells[4] = ("t", "SYNONYM") if accepted else ("f", "ACCEPTED")
        cells[18], cells[19] = name, " ".join(name.split()[:2])
        lines.append("\t".join(cells))
    (place / "simple.txt.gz").write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return "simple.txt.gz"


def _inat(place: Path) -> str:
    categories = [
        {**dict(zip(RANKS[:-1], line, strict=False)), "id": number, "name": line[-1],
         "common_name": f"name {number}", "supercategory": "x",
         "specific_epithet": line[-1].split()[-1], "image_dir_name": f"{number}"}
        for number, line in enumerate(LINEAGES)
    ]  # fmt: skip
    return _json(place / "train.json", {"info": {}, "images": [{"id": 1}], "annotations": [],
                                        "categories": categories})  # fmt: skip


def _parents(place: Path) -> str:
    rows = [(key, parent, name, rank) for key, parent, accepted, name, rank, _ in TAXA
            if not accepted]  # fmt: skip
    return _text(place / "parents.csv", _table(("id", "parent_id", "name", "rank"), rows))


def _names() -> str:
    return "scientificName,count\nTurdus merula,3\nAves,1\nTurdus,7\n"


def _records(delimiter: str) -> str:
    rows = [
        (number, f"{species} L.", species, species.split()[0], family, "Animalia",
         51.5 + number / 100, -0.1, f"2026-0{number % 9 + 1}-11", number % 9 + 1, "GB", "PRESENT",
         "HUMAN_OBSERVATION", 1)
        for number in range(30)
        for species, family in (("Turdus merula", "Turdidae"), ("Vanessa atalanta", "Nymphalidae"))
    ]  # fmt: skip
    return _table(_RECORDS, rows, delimiter)


def _tree(place: Path, name: str = "birds.tree") -> str:
    source = place / "ranks.csv"
    _text(source, _table(RANKS, LINEAGES))
    write_tree(build(source).tree, place / name)
    source.unlink()
    return name


def _prior(place: Path) -> str:
    source = place / "records.csv"
    _text(source, _records(","))
    build_table([source]).write(place / "here.prior")
    source.unlink()
    return "here.prior"


def _detections() -> dict[str, Any]:
    boxes = [{"category": "1", "conf": 0.8, "bbox": [0.1, 0.2, 0.3, 0.4]},
             {"category": "2", "conf": 0.9, "bbox": [0.5, 0.2, 0.3, 0.4]}]  # fmt: skip
    return {
        "info": {"format_version": "1.3", "detector": "md", "detection_completion_time": "x"},
        "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
        "images": [{"file": f"{n}.png", "detections": boxes[:n]} for n in range(3)],
    }


def _traps() -> dict[str, Any]:
    times = ("2020-01-05 23:30:00", "2020-06-05 12:30:00", None)
    return {
        "info": {"version": "1"},
        "images": [{"id": f"i{n}", "file_name": f"{n}.png", "datetime": time, "location": "x",
                    "seq_id": "s", "seq_num_frames": 3, "width": 48, "height": 40}
                   for n, time in enumerate(times)],
        "annotations": [
            {"id": "a", "image_id": "i0", "category_id": 1, "bbox": [1, 2, 10, 10]},
            {"id": "b", "image_id": "i0", "category_id": 1, "count": 2},
            {"id": "c", "image_id": "i1", "category_id": 0},
            {"id": "d", "image_id": "i2", "category_id": 0},
        ],
        "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "red deer"}],
    }  # fmt: skip


def _calibration(folder: Path) -> Callable[[Path], str]:
    def write(place: Path) -> str:
        guide = _guide(folder)
        chosen = taxa("biodiversity", taxonomy=folder / TREE)
        plan = guide.planner.plan(guide.find(str(folder / PHOTOS)), thumbnails=False)
        assert plan.encoder is not None
        none = NoneRule(bound=-1, wanted=0.1, fitted_on=20, measured_on=20, false_alarms=1,
                        low=0.01, high=0.2)  # fmt: skip
        calibration = TaxaCalibration(
            taxonomy="birds",
            labels=digest_of(chosen.prompts(plan)),
            label_count=3,
            space=plan.encoder.space,
            logit_scale=20.0,
            rows=40,
            groups=40,
            none=none,
            figures={"log_loss": [1.5, 1.2]},
        )
        return calibration.write(place / "birds.json").name

    return write


def _looks() -> str:
    rows = [("Turdus merula", "a black bird", "appearance"),
            ("Vanessa atalanta", "a red and black butterfly", "appearance")]  # fmt: skip
    return _table(("taxon", "text", "kind"), rows)


def _sentences() -> dict[str, list[str]]:
    return {"Turdus merula": ["a black bird", "it sings"], "Vanessa atalanta": ["a butterfly"]}


def _descriptions_yaml(place: Path) -> str:
    lines = ["name: looks", 'version: "1"', "source: https://example.org/looks",
             "licence: CC0-1.0", "classes:"]  # fmt: skip
    for label, sentences in _sentences().items():
        lines += [f"  - label: {label}", f"    sentences: {json.dumps({'looks': sentences})}"]
    return _text(place / "looks.yaml", "\n".join(lines) + "\n")


def _zip(path: Path, members: Mapping[str, str]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path.name


def _folder(place: Path, members: Mapping[str, str]) -> str:
    for name, text in members.items():
        _text(place / name, text)
    return "."


def _json(path: Path, value: Any) -> str:
    return _text(path, json.dumps(value, indent=1))


def _text(path: Path, content: str) -> str:
    path.write_text(content, "utf-8")
    return path.name
