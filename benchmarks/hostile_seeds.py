"""Small sound inputs of every kind that fieldguide reads, for the soak of hostile input."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pydicom
import rasterio
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from rasterio.transform import Affine

from fieldguide.guides import Guide
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = {"jpeg": "jpg", "png": "png", "tiff": "tif", "webp": "webp", "gif": "gif", "bmp": "bmp"}
CHECKPOINT = "checkpoint"
CLASS_SET = """\
name: birds
version: "1"
source: https://example.org/birds
licence: CC0-1.0
templates: ["a photo of a {}.", "{}"]
classes:
  - {label: wren, names: [wren, "Troglodytes troglodytes"]}
  - label: owl
    names: [owl]
    present: ["an owl is there"]
    absent: ["no owl is there"]
"""
REGISTRY = """\
version: 1
datasets:
  - {name: birds_2024, summary: birds, licence: CC0-1.0, source: "https://example.org",
     modality: photo, classes: 2, splits: {train: 10, test: 5}}
models:
  - name: mine
    summary: a model of mine
    architecture: open_clip
    embed_dim: 32
    image_size_px: 32
    scope: [photo]
    licence: Apache-2.0
    trained_on: [birds_2024]
    settings: &same {folder: ../checkpoint}
  - {name: also_mine, summary: the same, architecture: open_clip, embed_dim: 32, image_size_px: 32,
     scope: [photo], licence: Apache-2.0, settings: *same}
"""


@dataclass(frozen=True)
class Seed:
    """One sound input.

    Attributes:
        kind: what it is, such as "png" or "lance index".
        folder: holds all its files and nothing else.
        entry: what is given to fieldguide, relative to the folder.
    """

    kind: str
    folder: Path
    entry: str


def write_seeds(folder: Path) -> list[Seed]:
    """Write all seeds, each into a folder of its own."""
    makers: dict[str, Callable[[Path], str]] = {
        **{kind: _plain(kind) for kind in PLAIN},
        "geotiff": _geotiff,
        "vrt": _vrt,
        "jp2": _jp2,
        "nifti": _nifti,
        "nifti gz": _nifti_gz,
        "dicom": _dicom,
        "csv manifest": _csv,
        "jsonl manifest": _jsonl,
        "class set": lambda place: _text(place / "birds.yaml", CLASS_SET),
        "labels": lambda place: _text(place / "labels.txt", "# birds\nwren\nowl\n\nrobin\n"),
        "registry": lambda place: _text(place / "registry.yaml", REGISTRY),
        CHECKPOINT: _checkpoint,
    }
    seeds = []
    for kind, make in makers.items():
        place = folder / kind.replace(" ", "_")
        place.mkdir(parents=True)
        seeds.append(Seed(kind, place, make(place)))
    return [*seeds, *_stores(folder)]


def checkpoint_of(folder: Path) -> Path:
    """Return the sound checkpoint among the seeds."""
    return folder / CHECKPOINT / "tiny"


def _noise(number: int, bands: int = 3) -> Any:
    return np.random.default_rng(number).integers(0, 256, (40, 48, bands), np.uint8)


def _plain(kind: str) -> Callable[[Path], str]:
    def write(place: Path) -> str:
        exif = Image.Exif()
        exif[0x0112], exif[0x0132] = 6, "2024:05:17 08:30:00"
        exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
        options: dict[str, Any] = {} if kind in ("gif", "bmp") else {"exif": exif}
        if kind == "gif":
            options = {"save_all": True, "append_images": [Image.fromarray(_noise(2))]}
        name = f"photo.{PLAIN[kind]}"
        Image.fromarray(_noise(1)).save(place / name, kind.upper(), **options)
        return name

    return write


def _geotiff(place: Path) -> str:
    profile = {"driver": "GTiff", "photometric": "RGB", "crs": "EPSG:32632", "dtype": "uint8"}
    size = {"height": 40, "width": 48, "count": 3, "tiled": True, "blockxsize": 16,
            "blockysize": 16}  # fmt: skip
    grid = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(
        place / "scene.tif", "w", **profile, **size, transform=grid, compress="lzw"
    ) as target:
        target.write(np.moveaxis(_noise(3), -1, 0))
    return "scene.tif"


def _vrt(place: Path) -> str:
    _geotiff(place)
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{n}"><ColorInterp>{colour}</ColorInterp>\n'
        f'<SimpleSource><SourceFilename relativeToVRT="1">scene.tif</SourceFilename>\n'
        f'<SourceBand>{n}</SourceBand><SrcRect xOff="0" yOff="0" xSize="48" ySize="40"/>\n'
        f'<DstRect xOff="0" yOff="0" xSize="48" ySize="40"/></SimpleSource></VRTRasterBand>\n'
        for n, colour in enumerate(("Red", "Green", "Blue"), start=1)
    )
    head = '<VRTDataset rasterXSize="48" rasterYSize="40"><SRS>EPSG:32632</SRS>\n'
    grid = "<GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>\n"
    return _text(place / "scene.vrt", f"{head}{grid}{bands}</VRTDataset>\n")


def _jp2(place: Path) -> str:
    Image.fromarray(_noise(4)).save(place / "scene.jp2")
    return "scene.jp2"


def _volume() -> Any:
    values = np.random.default_rng(5).integers(-100, 200, (12, 10, 8)).astype(np.int16)
    values[:6] = -1000
    image = nib.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0]))
    image.header.set_xyzt_units("mm")
    return image


def _nifti(place: Path) -> str:
    nib.save(_volume(), place / "ct.nii")
    return "ct.nii"


def _nifti_gz(place: Path) -> str:
    nib.save(_volume(), place / "ct.nii.gz")
    return "ct.nii.gz"


def _dicom(place: Path) -> str:
    for number in range(3):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}")
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        ds.SOPClassUID, ds.Modality, ds.SeriesInstanceUID = CTImageStorage, "CT", "1.2.4"
        ds.ImageType, ds.PatientName = ["ORIGINAL", "PRIMARY", "AXIAL"], "Mustermann^Erika"
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [-20.0, 30.0, 40.0 + 2.5 * number]
        ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 4.0
        ds.Rows, ds.Columns, ds.SamplesPerPixel = 8, 10, 1
        ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.RescaleSlope, ds.RescaleIntercept = 2, -1024
        pixels = np.random.default_rng(number).integers(500, 560, (8, 10)).astype(np.uint16)
        pixels[:, :5] = 12
        ds.PixelData = pixels.tobytes()
        ds.save_as(place / f"{number}.dcm", enforce_file_format=True)
    return "."


def _photos(place: Path) -> None:
    (place / "photos").mkdir()
    for number in range(3):
        Image.fromarray(_noise(number)).save(place / "photos" / f"{number}.png")


def _csv(place: Path) -> str:
    _photos(place)
    rows = '1,photos/0.png,cat,0.5\n2,photos/1.png,dog,\n3,photos/2.png,"a, b",7\n'
    return _text(place / "rows.csv", f"id,path,label,cloud_cover\n{rows}")


def _jsonl(place: Path) -> str:
    _photos(place)
    rows = [{"id": n, "image": f"photos/{n}.png", "site": {"name": "x", "depth_m": [1, 2.5]},
             "label": "cat"} for n in range(3)]  # fmt: skip
    return _text(place / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _text(path: Path, content: str) -> str:
    path.write_text(content, "utf-8")
    return path.name


def _checkpoint(place: Path) -> str:
    write_tiny_checkpoint(place / "tiny")
    return "tiny"


def _stores(folder: Path) -> list[Seed]:
    """Return an embedding file and an index of the same photographs."""
    torch.set_num_threads(1)
    guide = Guide(model=str(checkpoint_of(folder)))
    photos = folder / "csv_manifest" / "rows.csv"
    for name in ("embeddings", "lance_index"):
        (folder / name).mkdir()
    guide.embed(photos, folder / "embeddings" / "photos.parquet")
    guide.index(photos, folder / "lance_index" / "photos.fg")
    for name in ("embeddings", "lance_index"):
        for record in (folder / name).glob("*.provenance.json"):
            record.unlink()
    return [
        Seed("embeddings", folder / "embeddings", "photos.parquet"),
        Seed("lance index", folder / "lance_index", "photos.fg"),
    ]
