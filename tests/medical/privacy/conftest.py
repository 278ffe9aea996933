"""Files with names planted in every place that can hold text."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.datadict import DicomDictionary
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from fieldguide.testing import write_tiny_checkpoint
from fieldguide_medical.tiles import RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME, FIRST, CODE = "Quuxley", "Zebedee", "ZEBQUX"
MRN, DATE, UID = "MRN7719923", "19570413", "1.2.777.19570413.7719923"
PLANTED = (NAME, NAME.upper(), NAME.lower(), FIRST, CODE, "7719923", DATE, "1957-04-13")
"""What must be found nowhere; UID and MRN contain one of them."""

VALUES: dict[str, Any] = {
    "PN": f"{NAME}^{FIRST}", "LO": f"{NAME} {MRN}", "SH": NAME, "ST": f"of {NAME}, {DATE}",
    "LT": f"{NAME} of the ward", "UT": f"{FIRST} {NAME} was here", "UC": f"{NAME}, {MRN}",
    "UR": f"http://{NAME.lower()}.example/{MRN}", "AE": NAME, "CS": CODE, "UI": UID, "DA": DATE,
    "DT": f"{DATE}101112", "UN": NAME.encode(), "OB": f"{NAME}!".encode(),
    "OB or OW": f"{NAME}!".encode(),
}  # fmt: skip
SHAPE = (6, 8, 3)


def read_values(number: int) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(number).integers(500, 560, SHAPE[:2])
    values[:, : SHAPE[1] // 2] = 12
    return values.astype(np.uint16)


def needed(number: int) -> dict[str, Any]:
    """Return the elements of one CT slice that a reader needs."""
    return {
        "SOPClassUID": CTImageStorage, "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "InstanceNumber": number,
        "ImagePositionPatient": [-20.0, 30.0, 2.5 * number],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], "PixelSpacing": [0.8, 0.9],
        "SliceThickness": 2.5, "RescaleSlope": 2, "RescaleIntercept": -1024, "RescaleType": "HU",
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": SHAPE[0],
        "Columns": SHAPE[1], "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": 0, "SpecificCharacterSet": "ISO_IR 100", "FrameOfReferenceUID": UID,
        "PixelData": read_values(number).tobytes(),
    }  # fmt: skip


LEFT_ALONE = frozenset(
    {"NumberOfFrames", "SmallestImagePixelValue", "TransferSyntaxUID", "BurnedInAnnotation",
     "FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL", "ExtendedOffsetTable",
     "VOILUTFunction", "LUTData", "PresentationLUTShape"}
)  # fmt: skip
"""Elements that say how pixels are to be read."""


INSIDE = {
    "PatientName": VALUES["PN"], "CodeMeaning": VALUES["LO"], "CodeValue": VALUES["SH"],
    "TextValue": VALUES["UT"], "Date": DATE, "UID": UID, "ReferencedSOPInstanceUID": UID,
    "BodyPartExamined": CODE, "LUTExplanation": NAME,
}  # fmt: skip
"""Of each item of a sequence."""


def plant(ds: pydicom.Dataset) -> None:
    """Put a text into every element of the dictionary that can hold one, also below sequences."""
    for tag, (vr, multiplicity, _, retired, keyword) in DicomDictionary.items():
        if keyword in ds or not keyword or retired or keyword in LEFT_ALONE or tag >> 16 <= 2:
            continue
        if vr == "SQ":
            inner = pydicom.Dataset()
            for kind, text in INSIDE.items():
                setattr(inner, kind, text)
            ds.add_new(tag, "SQ", Sequence([inner]))
        elif vr in VALUES:
            value = VALUES[vr]
            many = multiplicity not in ("1", "1-n", "1-1") and isinstance(value, str)
            ds.add_new(tag, vr.partition(" ")[0], [value, value] if many else value)
    block = ds.private_block(0x0011, f"{NAME} private", create=True)
    for place, vr in enumerate(("LO", "UT", "PN", "UN", "DA")):
        block.add_new(place + 1, vr, VALUES[vr])


def make_slice(number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{UID}.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.SourceApplicationEntityTitle = meta.SendingApplicationEntityTitle = NAME
    meta.PrivateInformationCreatorUID = UID
    meta.PrivateInformation = NAME.encode().ljust(8)
    ds = FileDataset("", {}, file_meta=meta, preamble=NAME.encode().ljust(128))
    for keyword, value in needed(number).items():
        setattr(ds, keyword, value)
    ds.SOPInstanceUID, ds.SeriesInstanceUID = f"{UID}.{number}", f"{UID}.5"
    for keyword, value in INSIDE.items():
        setattr(ds, keyword, value)
    ds.PatientID = MRN
    if number == 0:  # thousands of elements: seconds a file
        plant(ds)
    return ds


@pytest.fixture(scope="session")
def planted_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder named after a patient with the slices of one CT series."""
    folder = tmp_path_factory.mktemp("study") / f"{NAME}_{FIRST}" / f"{MRN} {DATE}"
    folder.mkdir(parents=True)
    for number in range(SHAPE[2]):
        make_slice(number).save_as(folder / f"{NAME}^{FIRST}_{number}.dcm")
    return folder


@pytest.fixture(scope="session")
def planted_nifti(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NIfTI file with names in all free text, extensions and the gzip header."""
    folder = tmp_path_factory.mktemp("nifti") / NAME
    folder.mkdir()
    volume = np.stack([read_values(n) for n in range(SHAPE[2])], axis=-1).astype(np.int16) * 2
    image = nib.Nifti1Image(volume - 1024, np.diag([0.8, 0.9, 2.5, 1.0]))
    image.header.set_xyzt_units("mm")
    for field in ("descrip", "aux_file", "intent_name", "data_type", "db_name"):
        image.header[field] = NAME.encode()
    for code in (0, 2, 4, 6):
        image.header.extensions.append(
            nib.nifti1.Nifti1Extension(code, NAME.encode() * 3)
            if code != 2
            else nib.nifti1.Nifti1DicomExtension(2, dicom_of(NAME))
        )
    path = folder / f"{NAME}.{FIRST}.nii.gz"
    with path.open("wb") as raw, gzip.GzipFile(f"{NAME}.nii", "wb", fileobj=raw) as stream:
        stream.write(image.to_bytes() + NAME.encode())
    return path


def dicom_of(name: str) -> pydicom.Dataset:
    ds = pydicom.Dataset()
    ds.PatientName = name
    return ds


@pytest.fixture(scope="session")
def planted_words() -> tuple[str, ...]:
    return PLANTED


@pytest.fixture(autouse=True)
def own_salt(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Path]:
    """Keep salt and state of these tests apart from the user's."""
    home = tmp_path_factory.getbasetemp() / "private_home"
    monkeypatch.setenv("FIELDGUIDE_SALT_FILE", str(home / "salt"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return lambda: home / "state"


@pytest.fixture(scope="session")
def planted_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder named after a patient with stained tiles, a manifest, and what is broken."""
    folder = tmp_path_factory.mktemp("tiles") / f"{NAME} {FIRST}"
    folder.mkdir()
    chunk = PngInfo()
    chunk.add_text("Comment", f"{NAME} {MRN}")
    exif = Image.Exif()
    for tag, value in {
        0x013B: NAME,
        0x010E: f"{NAME} {MRN}",
        0x0132: "1957:04:13 10:11:12",
    }.items():
        exif[tag] = value
    lines = ["path,label,patient,age,born,findings"]
    for label, draw in RECIPES.items():
        for number in range(1, 4):
            picture = draw(number).resize((96, 96))
            name = f"{NAME}^{FIRST}_{label[:9]}_{number}"
            path = folder / (f"{name}.png" if number % 2 else f"{name}.jpg")
            picture.save(path, exif=exif, **({"pnginfo": chunk} if number % 2 else {}))
            lines.append(f"{path.name},{label},{MRN},{FIRST},{DATE},Glands with {number} cells.")
    (folder / f"{NAME}.csv").write_text("\n".join(lines) + "\n")
    (folder / f"{NAME}_broken.csv").write_text(
        "path,id,label,patient\n"
        f"{NAME}_gone.png,{MRN},benign lung tissue,{NAME}\n"
        f"{NAME}_other.png,{MRN},benign lung tissue,{NAME}\n"
        f"../../{FIRST}/x.png,,benign lung tissue,{NAME}\n"
        f",,{NAME},\n"
        f"{NAME}^{FIRST}_benign lu_1.png,{MRN}9,benign lung tissue,{NAME},too many\n"
        f"{NAME}^{FIRST}_benign lu_1.png,,{NAME} not a label,{NAME}\n"
    )
    (folder / f"{NAME}_cut.png").write_bytes(next(folder.glob("*.png")).read_bytes()[:200])
    (folder / f"{NAME}_empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of pictures, ``tiny``, and one of volumes, ``slices.yaml``."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(folder / "tiny")
    (folder / "slices.yaml").write_text(
        "base: ./tiny\n"
        "contract: {like: chest_slices, spacing_mm: [2, 2, 2], size: [32, 32, 16]}\n"
        "pooling: mean\n"
    )
    return folder
