"""Runs the real command line and searches all that comes out of it for what was planted."""

from __future__ import annotations

import gzip
import logging
import sys
from typing import TYPE_CHECKING, Any

import lancedb
import nibabel as nib
import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
import tifffile
from pydicom.uid import DigitalXRayImageStorageForPresentation, EnhancedCTImageStorage

from fieldguide.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

SOURCES = "sources.parquet"


class Trace:
    """Runs commands in a folder and remembers all that they say."""

    def __init__(self, folder: Path, models: Path, capture: Any, caplog: Any, patch: Any) -> None:
        self.folder, self.models = folder, models
        self._capture, self._caplog, self._patch = capture, caplog, patch
        self.said: list[str] = []
        self.codes: list[int] = []

    def run(self, *words: object, model: str | None = "tiny") -> str:
        """Run a command; return what it printed."""
        arguments = [str(word) for word in words]
        if model is not None:
            arguments += ["--model", str(self.models / model), "--out-of-scope"]
        self._patch.setattr(sys, "argv", ["fieldguide", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
            raise SystemExit(0)
        printed = self._capture.readouterr()
        self.codes.append(int(stopped.value.code or 0))
        self.said += [printed.out, printed.err]
        return str(printed.out + printed.err)

    def tiles(self, command: str, *words: object) -> str:
        """Run a command of the domain on tiles."""
        return self.of("histology_tile", command, *words)

    def of(self, modality: str, command: str, *words: object, model: str | None = "tiny") -> str:
        """Run a command of the domain on files of a modality."""
        asked = ("--domain", "medical", "--modality", modality)
        return self.run(command, *words, *asked, model=model)

    def everything(self) -> dict[str, bytes]:
        """Return all that came out, by where: texts, names of files, bytes and values of files."""
        found = {"said": "\n".join(self.said).encode(), "logs": self._caplog.text.encode()}
        for path in self.folder.rglob("*"):
            place = str(path.relative_to(self.folder))
            found[f"name of {place}"] = place.encode()
            if path.is_file() and path.name != SOURCES:
                found[place] = path.read_bytes()
                found[f"{place} read"] = read_back(path)
        return found

    def leaks(self, words: tuple[str, ...]) -> list[str]:
        """Return what was planted and where it came out."""
        return [
            f"{word} in {place}: {around(content, word)}"
            for place, content in self.everything().items()
            for word in words
            if word.encode() in content
        ]


def around(content: bytes, word: str) -> str:
    place = content.index(word.encode())
    return content[max(0, place - 60) : place + 60].decode("utf-8", "replace")


def read_back(path: Path) -> bytes:
    """Return the values of a packed file as text."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return repr((table.schema.metadata, as_text(table))).encode()
    if path.parent.suffix == ".fg" and path.name == "index.json":
        table = lancedb.connect(str(path.parent)).open_table("items").to_arrow()
        return as_text(table).encode()
    return b""


def as_text(table: pa.Table) -> str:
    shown = [name for name in table.column_names if name != "vector"]
    return repr(table.select(shown).to_pylist())


@pytest.fixture
def trace(
    tmp_path: Path,
    tiny_models: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Trace]:
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)
    caplog.set_level(logging.DEBUG)
    yield Trace(folder, tiny_models, capsys, caplog, monkeypatch)


@pytest.fixture(scope="session")
def planted_radiographs(planted_series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with radiographs: readable, with text in its pixels, cut, and with a bad table."""
    folder = tmp_path_factory.mktemp("xray") / "Quuxley Zebedee"
    folder.mkdir()
    full = max(planted_series.iterdir(), key=lambda path: path.stat().st_size)
    ds = pydicom.dcmread(full)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    ds.Modality, ds.ViewPosition = "DX", "PA"
    ds.WindowCenter, ds.WindowWidth, ds.RescaleType = 60, 2000, "US"
    ds.save_as(folder / "Quuxley_table.dcm")
    del ds.VOILUTSequence, ds.ModalityLUTSequence
    ds.save_as(folder / "Quuxley_good.dcm")
    ds.BurnedInAnnotation = "YES"
    ds.save_as(folder / "Quuxley_burned.dcm")
    whole = (folder / "Quuxley_good.dcm").read_bytes()
    (folder / "Quuxley_cut.dcm").write_bytes(whole[: len(whole) // 2])
    ds.PhotometricInterpretation = "QUUXLEY"
    ds.save_as(folder / "Quuxley_colours.dcm")
    return folder


@pytest.fixture(scope="session")
def planted_enhanced(planted_series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with enhanced CT of two frames, one whole and one whose frames are not described."""
    folder = tmp_path_factory.mktemp("enhanced") / "Quuxley Zebedee"
    folder.mkdir()
    full = max(planted_series.iterdir(), key=lambda path: path.stat().st_size)
    ds = pydicom.dcmread(full)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    ds.NumberOfFrames, ds.PixelData = 2, ds.PixelData * 2
    ds.save_as(folder / "Quuxley_bare.dcm")
    shared, frames = pydicom.Dataset(), []
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelMeasuresSequence = [item(PixelSpacing=[0.8, 0.9], SliceThickness=2.5)]
    shared.PixelValueTransformationSequence = [
        item(RescaleSlope=2, RescaleIntercept=-1024, RescaleType="HU")
    ]
    for number in range(2):
        place = item(ImagePositionPatient=[-20, 30, 2.5 * number], PatientName="Quuxley")
        frames.append(item(PlanePositionSequence=[place], FrameComments="Quuxley Zebedee"))
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
    ds.save_as(folder / "Quuxley_good.dcm")
    return folder


def item(**elements: Any) -> pydicom.Dataset:
    ds = pydicom.Dataset()
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


@pytest.fixture(scope="session")
def planted_slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with slides that name someone in every text of TIFF, and broken ones."""
    folder = tmp_path_factory.mktemp("slides") / "Quuxley Zebedee"
    folder.mkdir()
    write_slide(folder / "Quuxley^Zebedee.svs", "|MPP = 0.5|AppMag = 20")
    write_slide(folder / "Quuxley_plain.tif", "")
    write_slide(folder / "Quuxley_scale.svs", "|MPP = Quuxley|AppMag = ZEBQUX")
    whole = (folder / "Quuxley^Zebedee.svs").read_bytes()
    (folder / "Quuxley_cut.svs").write_bytes(whole[: len(whole) // 3])
    (folder / "Quuxley_text.svs").write_bytes(b"Quuxley Zebedee 7719923" * 99)
    (folder / "Quuxley_empty.ndpi").write_bytes(b"")
    return folder


TIFF_TEXTS = {"DocumentName": 269, "Make": 271, "Model": 272, "PageName": 285, "Artist": 315,
              "HostComputer": 316, "Copyright": 33432}  # fmt: skip


def write_slide(path: Path, scale: str) -> None:
    """Write 300 x 400 px of tissue on glass, with a level of half its size."""
    chance = np.random.default_rng(0)
    picture = np.full((300, 400, 3), 244, np.uint8)
    picture[40:260, 40:300] = (175, 105, 160)
    picture[40:260, 40:300] += chance.integers(0, 60, (220, 260, 1), dtype=np.uint8)
    about = (
        f"Aperio Image Library v11.2.1\nQuuxley 400x300{scale}|Filename = Quuxley|User = Zebedee"
    )
    texts = [(code, "s", 0, "Quuxley MRN7719923", True) for code in TIFF_TEXTS.values()]
    shared: dict[str, Any] = {"tile": (64, 64), "photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(picture, **shared, description=about, software="Quuxley Zebedee",
                   datetime="1957:04:13 10:11:12", extratags=texts)  # fmt: skip
        file.write(picture[::2, ::2], **shared, description=about, subfiletype=1)


NRRD = """NRRD0005
# Quuxley Zebedee
type: {type}
dimension: 3
space: left-posterior-superior
sizes: {sizes}
space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)
kinds: domain domain domain
endian: little
encoding: {encoding}
space origin: (0,0,0)
content: Quuxley 7719923
data file: {file}
Patient:=Quuxley^Zebedee
Born:=19570413
"""
META = """ObjectType = Image
NDims = 3
Comment = Quuxley Zebedee
PatientName = Quuxley^Zebedee
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 0.7 0.8 2.5
DimSize = {sizes}
ElementType = {type}
ElementDataFile = {file}
"""
FAULTS: dict[str, dict[str, str]] = {
    "good": {},
    "gone": {"file": "Quuxley_gone.raw"},
    "outside": {"file": "/Quuxley/Zebedee.raw"},
    "list": {"file": "LIST"},
    "kind": {"type": "Quuxley"},
    "sizes": {"sizes": "Quuxley 6 5"},
    "long": {"sizes": "99 99 99"},
    "packed": {"encoding": "Quuxley"},
}


@pytest.fixture(scope="session")
def planted_headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NRRD and MetaImage headers that name someone in every text, good and broken."""
    folder = tmp_path_factory.mktemp("headers") / "Quuxley Zebedee"
    folder.mkdir()
    chance = np.random.default_rng(0)
    values = chance.integers(-50, 150, (7, 6, 5)).astype("<i2")
    values[:3] = -1000
    (folder / "Quuxley.raw").write_bytes(values.tobytes(order="F"))
    for fault, changed in FAULTS.items():
        usual = {"sizes": "7 6 5", "encoding": "raw", "file": "Quuxley.raw"}
        nrrd = NRRD.format(**{"type": "short", **usual, **changed})
        (folder / f"Quuxley_{fault}.nhdr").write_text(nrrd)
        meta = META.format(**{"type": "MET_SHORT", **usual, **changed})
        (folder / f"Quuxley_{fault}.mhd").write_text(meta)
    (folder / "Quuxley_loop.nhdr").symlink_to("Quuxley_loop.nhdr")
    return folder


@pytest.fixture(scope="session")
def planted_findings(
    planted_nifti: Path, planted_headers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A manifest of volumes with findings of four patients, and faulty rows."""
    folder = tmp_path_factory.mktemp("findings") / "Quuxley Zebedee"
    folder.mkdir()
    volume = nib.load(planted_nifti)
    lines = ["path,id,patient,age,mass,effusion"]
    for number in range(12):
        nib.save(volume, folder / f"Quuxley{number}.nii")
        lines.append(f"Quuxley{number}.nii,MRN7719923{number},Quuxley{number},Zebedee,"
                     f"{number % 2},{number % 3 == 0:d}")  # fmt: skip
    (folder / "Quuxley.csv").write_text("\n".join(lines) + "\n")
    for name, row in (("gone", "Quuxley_gone.nii,,a,Zebedee,1,0"),
                      ("value", "Quuxley1.nii,,a,Zebedee,Quuxley,0")):  # fmt: skip
        (folder / f"Quuxley_{name}.csv").write_text("\n".join([*lines, row, ""]))
    (folder / "set.yaml").write_text(
        "name: planted\nversion: '1'\nsource: made here\nlicence: Apache-2.0\n"
        "templates: ['{}']\npresent_templates: ['there is {}.']\n"
        "absent_templates: ['there is no {}.']\n"
        "classes:\n  - {label: mass, names: [a mass]}\n"
        "  - {label: effusion, names: [an effusion]}\n"
    )
    return folder
