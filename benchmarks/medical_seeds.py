"""Small sound medical files of every kind, with a patient's name planted in and around each."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel as nib
import nrrd
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

if TYPE_CHECKING:
    from pathlib import Path

PLANTED = ("mustermann", "erika", "pid4711", "geheimklinik", "1.2.826.4711")
"""What must not be told, in lower case."""
FOLDER = "Mustermann_Erika_PID4711"
SHAPE = (16, 14, 6)
_TAGS = {
    "PatientName": "Mustermann^Erika",
    "PatientID": "PID4711",
    "InstitutionName": "Geheimklinik",
    "SeriesDescription": "Abdomen Mustermann Erika",
    "StudyInstanceUID": "1.2.826.4711.1",
    "SeriesInstanceUID": "1.2.826.4711.2",
    "SOPInstanceUID": "1.2.826.4711.3",
}


@dataclass(frozen=True)
class MedicalSeed:
    """A sound input.

    Attributes:
        kind: names it, and the reader that takes it.
        folder: that holds its files; named like a patient.
        entry: what is read, below that folder; "" for the folder itself.
    """

    kind: str
    folder: Path
    entry: str


def write_medical_seeds(root: Path) -> list[MedicalSeed]:
    """Write one input of each kind below a folder."""
    seeds = []
    for kind, (write, entry) in _WRITERS.items():
        folder = root / kind.replace(" ", "_") / FOLDER
        folder.mkdir(parents=True)
        write(folder)
        seeds.append(MedicalSeed(kind, folder, entry))
    return seeds


def _values() -> Any:
    values = np.random.default_rng(0).integers(-100, 200, SHAPE).astype(np.int16)
    values[:8] = -1000
    return values


def _dicom(path: Path, syntax: str, sop: str = CTImageStorage, **elements: Any) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop, "1.2.826.4711.3"
    meta.TransferSyntaxUID = syntax
    ds = FileDataset(
        str(path), {}, file_meta=meta, preamble=bytes(128),
        is_implicit_VR=syntax == ImplicitVRLittleEndian, is_little_endian=True,
    )  # fmt: skip
    ds.SOPClassUID, ds.Modality = sop, "CT"
    ds.Rows, ds.Columns = SHAPE[1], SHAPE[0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    for name, value in {**_TAGS, **elements}.items():
        setattr(ds, name, value)
    return ds


def _slice_elements(number: int) -> dict[str, Any]:
    stored = (_values()[:, :, number].T + 1024).astype("<u2")
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [-20, 30, 2.5 * number],
        "PixelSpacing": [0.5, 0.75],
        "SliceThickness": 2.5,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelData": stored.tobytes(),
    }


def _series(folder: Path) -> None:
    for number in range(SHAPE[2]):
        path = folder / f"Mustermann_{number}.dcm"
        ds = _dicom(path, ExplicitVRLittleEndian, **_slice_elements(number))
        ds.save_as(path, enforce_file_format=True)


def _implicit(folder: Path) -> None:
    path = folder / "Mustermann.dcm"
    ds = _dicom(path, ImplicitVRLittleEndian, **_slice_elements(0))
    ds["PixelData"].VR = "OW"
    ds.save_as(path, enforce_file_format=True)


def _rle(folder: Path) -> None:
    path = folder / "Mustermann.dcm"
    ds = _dicom(path, ExplicitVRLittleEndian, **_slice_elements(0))
    ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)


def _jpeg2000(folder: Path) -> None:
    path = folder / "Mustermann.dcm"
    ds = _dicom(path, JPEG2000Lossless, **_slice_elements(0))
    stored = np.frombuffer(ds.PixelData, "<u2").reshape(SHAPE[1], SHAPE[0])
    stream = io.BytesIO()
    Image.fromarray(stored).save(stream, "JPEG2000", no_jp2=True)
    ds.PixelData = encapsulate([stream.getvalue()])
    ds["PixelData"].VR = "OB"
    ds.save_as(path, enforce_file_format=True)


def _enhanced(folder: Path) -> None:
    path = folder / "Mustermann.dcm"
    elements = _slice_elements(0)
    moved = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
    shared = Dataset()
    for name, sequence in zip(
        moved[1:3], ("PlaneOrientationSequence", "PixelMeasuresSequence"), strict=True
    ):
        item = Dataset()
        setattr(item, name, elements[name])
        setattr(shared, sequence, [item])
    frames = []
    for number in range(SHAPE[2]):
        frame, plane = Dataset(), Dataset()
        plane.ImagePositionPatient = _slice_elements(number)["ImagePositionPatient"]
        frame.PlanePositionSequence = [plane]
        frames.append(frame)
    kept = {name: value for name, value in elements.items() if name not in moved}
    kept["PixelData"] = b"".join(_slice_elements(n)["PixelData"] for n in range(SHAPE[2]))
    ds = _dicom(path, ExplicitVRLittleEndian, EnhancedCTImageStorage, **kept)
    ds.NumberOfFrames = SHAPE[2]
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
    ds.save_as(path, enforce_file_format=True)


def _radiograph(folder: Path) -> None:
    path = folder / "Mustermann.dcm"
    elements = {**_slice_elements(0), "Modality": "DX", "WindowCenter": 0, "WindowWidth": 900}
    ds = _dicom(path, ExplicitVRLittleEndian, DigitalXRayImageStorageForPresentation, **elements)
    ds.save_as(path, enforce_file_format=True)


def _nifti(name: str) -> Any:
    def write(folder: Path) -> None:
        image = nib.Nifti1Image(_values(), np.diag([0.75, 0.5, 2.5, 1]))
        image.header["descrip"] = b"Mustermann Erika PID4711"
        image.header["db_name"] = b"Mustermann"
        nib.save(image, folder / name)

    return write


def _nrrd(name: str, encoding: str) -> Any:
    def write(folder: Path) -> None:
        header = {
            "space": "left-posterior-superior",
            "space directions": np.diag([0.75, 0.5, 2.5]),
            "space origin": np.zeros(3),
            "encoding": encoding,
            "content": "Mustermann Erika PID4711",
        }
        nrrd.write(str(folder / name), _values(), header, detached_header=name.endswith("nhdr"))

    return write


def _metaimage(folder: Path) -> None:
    header = (
        "ObjectType = Image\nNDims = 3\nComment = Mustermann Erika PID4711\nBinaryData = True\n"
        "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
        f"ElementSpacing = 0.75 0.5 2.5\nDimSize = {' '.join(map(str, SHAPE))}\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    (folder / "Mustermann.mha").write_bytes(header.encode() + _values().tobytes(order="F"))


def _slide(folder: Path) -> None:
    """A pyramid of two levels, half of it tissue, as Aperio's scanners describe theirs."""
    pixels = np.full((256, 320, 3), 244, np.uint8)
    pixels[40:220, 40:200] = np.random.default_rng(0).normal((190, 90, 160), 15, (180, 160, 3))
    shared: dict[str, Any] = {
        "tile": (64, 64), "photometric": "rgb", "compression": "jpeg", "metadata": None,
    }  # fmt: skip
    about = (
        "Aperio Image Library v11.2.1\r\n320x256 (64x64) JPEG/RGB Q=30|AppMag = 20|MPP = 0.5|"
        "User = Erika|Filename = Mustermann PID4711|Title = Geheimklinik"
    )
    with tifffile.TiffWriter(folder / "Mustermann.svs") as file:
        file.write(pixels, description=about, **shared)
        file.write(pixels[::2, ::2], subfiletype=1, **shared)


_WRITERS: dict[str, tuple[Any, str]] = {
    "dicom series": (_series, ""),
    "dicom implicit": (_implicit, "Mustermann.dcm"),
    "dicom rle": (_rle, "Mustermann.dcm"),
    "dicom jpeg2000": (_jpeg2000, "Mustermann.dcm"),
    "dicom enhanced": (_enhanced, "Mustermann.dcm"),
    "radiograph": (_radiograph, "Mustermann.dcm"),
    "nifti": (_nifti("Mustermann.nii"), "Mustermann.nii"),
    "nifti gz": (_nifti("Mustermann.nii.gz"), "Mustermann.nii.gz"),
    "nrrd": (_nrrd("Mustermann.nrrd", "gzip"), "Mustermann.nrrd"),
    "nhdr": (_nrrd("Mustermann.nhdr", "raw"), "Mustermann.nhdr"),
    "mha": (_metaimage, "Mustermann.mha"),
    "svs": (_slide, "Mustermann.svs"),
}
