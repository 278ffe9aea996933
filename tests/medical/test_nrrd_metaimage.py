"""CT volumes from NRRD and MetaImage, compared with SimpleITK; and headers that lie."""

from __future__ import annotations

import gzip
import math
import time
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own name for itself

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_medical.metaimage import MetaImageLoader
from fieldguide_medical.nifti import NiftiLoader
from fieldguide_medical.nrrd import NrrdLoader

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (7, 6, 5)
LOADERS: dict[str, Any] = {
    "nrrd": NrrdLoader,
    "nhdr": NrrdLoader,
    "mha": MetaImageLoader,
    "mhd": MetaImageLoader,
}


def ct_values() -> Any:
    """(I, J, K): half air, half soft tissue."""
    values = np.random.default_rng(0).integers(-50, 150, SHAPE).astype(np.int16)
    values[:3] = -1000
    return values


def ct_image(values: Any = None) -> sitk.Image:
    """Axes turned by 0.2 rad, the last one downwards."""
    image = sitk.GetImageFromArray((ct_values() if values is None else values).transpose(2, 1, 0))
    cosine, sine = math.cos(0.2), math.sin(0.2)
    image.SetDirection([cosine, -sine, 0, sine, cosine, 0, 0, 0, -1])
    image.SetSpacing([0.7, 0.8, 2.5])
    image.SetOrigin([3, 4, 5])
    return image


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", list(LOADERS))
def test_every_voxel_is_where_another_reader_finds_it(
    tmp_path: Path, ending: str, packed: bool
) -> None:
    path, image = tmp_path / f"a.{ending}", ct_image()
    sitk.WriteImage(image, str(path), packed)
    sample = LOADERS[ending]()(path)
    to_index = np.linalg.inv(np.array(sample.metadata["affine"]))
    for index in np.ndindex(SHAPE):
        x, y, z = image.TransformIndexToPhysicalPoint(index)
        place = (to_index @ [-x, -y, z, 1])[:3]
        np.testing.assert_allclose(place, np.round(place), atol=1e-4)
        assert sample.array[(*np.round(place).astype(int), 0)] == image[index]
    assert sample.metadata["spacing_mm"] == pytest.approx((0.7, 0.8, 2.5))
    assert sample.array.dtype == np.int16


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["example_ct_sm.nii.gz", "pulmonary_ct_cropped.nii.gz"])
@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_a_real_volume_is_the_same_in_every_format(
    shared_data: Path, tmp_path: Path, name: str, ending: str
) -> None:
    source, path = shared_data / "medical/ct" / name, tmp_path / f"a.{ending}"
    sitk.WriteImage(sitk.ReadImage(str(source)), str(path), True)
    sample, expected = LOADERS[ending]()(path), NiftiLoader()(source)
    assert np.abs(sample.array.astype(float) - expected.array).max() <= 1
    np.testing.assert_allclose(
        sample.metadata["affine"], expected.metadata["affine"], atol=1e-3
    )  # float32 in the header of one


NRRD = """\
NRRD0004
type: {type}
dimension: 3
space: {space}
sizes: {sizes}
space directions: (1,0,0) (0,1,0) (0,0,2)
kinds: domain domain domain
endian: {endian}
encoding: {encoding}
space origin: (0,0,0)
{more}
"""
META = """\
ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = {msb}
CompressedData = {packed}
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 1 1 2
DimSize = {sizes}
ElementType = {type}
{more}ElementDataFile = {file}
"""


def nrrd(**fields: str) -> bytes:
    defaults = {
        "type": "short", "space": "left-posterior-superior", "sizes": "7 6 5", "endian": "little",
        "encoding": "raw", "more": "",
    }  # fmt: skip
    return NRRD.format(**{**defaults, **fields}).encode()


def meta(**fields: str) -> bytes:
    defaults = {
        "msb": "False", "packed": "False", "sizes": "7 6 5", "type": "MET_SHORT", "more": "",
        "file": "LOCAL",
    }  # fmt: skip
    return META.format(**{**defaults, **fields}).encode()


def raw(kind: str = "<i2") -> bytes:
    return bytes(ct_values().astype(kind).tobytes(order="F"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nrrd", nrrd(endian="big") + raw(">i2")),
        ("a.nrrd", nrrd(type="float") + raw("<f4")),
        ("a.nrrd", nrrd(encoding="gzip") + gzip.compress(raw())),
        ("a.nrrd", nrrd(more="byte skip: -1\n") + b"some bytes" + raw()),
        ("a.mha", meta(msb="True") + raw(">i2")),
        ("a.mha", meta(type="MET_DOUBLE") + raw("<f8")),
        ("a.mha", meta(packed="True") + zlib.compress(raw())),
        ("a.mha", meta(more="HeaderSize = -1\n") + b"some bytes" + raw()),
    ],
)
def test_headers_written_by_hand_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    sample = LOADERS[name[2:]]()(tmp_path / name)
    np.testing.assert_array_equal(sample.array[..., 0], ct_values()[::-1, ::-1])  # LPS to RAS


REFUSALS = {
    "outside": ("a.nhdr", nrrd(more="data file: ../b.raw\n"), "outside its own folder"),
    "absolute": ("a.nhdr", nrrd(more="data file: /etc/passwd\n"), "outside its own folder"),
    "list": ("a.nhdr", nrrd(more="data file: LIST\nb.raw\n"), "broken|several files"),
    "pattern": ("a.nhdr", nrrd(more="data file: b%03d.raw 1 5 1\n"), "several files"),
    "absent": ("a.nhdr", nrrd(more="data file: b.raw\n"), "No such file"),
    "mhd_outside": ("a.mhd", meta(file="../b.raw"), "outside its own folder"),
    "mhd_absolute": ("a.mhd", meta(file="/etc/passwd"), "outside its own folder"),
    "mhd_list": ("a.mhd", meta(file="LIST"), "several files"),
    "huge": ("a.nrrd", nrrd(sizes="60000 60000 60000"), "GiB"),
    "mha_huge": ("a.mha", meta(sizes="60000 60000 60000"), "GiB"),
    "claims": ("a.nrrd", nrrd(sizes="700 700 700") + raw(), "claims 686000000 bytes"),
    "mha_claims": ("a.mha", meta(sizes="700 700 700") + raw(), "claims 686000000 bytes"),
    "negative": ("a.nrrd", nrrd(sizes="7 -6 5") + raw(), "no voxels"),
    "mha_negative": ("a.mha", meta(sizes="7 -6 5") + raw(), "no voxels"),
    "four": ("a.mha", meta(sizes="7 6 5 2") + raw(), "4 dimensions"),
    "no_space": ("a.nrrd", nrrd(space="3D-right-handed") + raw(), "no orientation"),
    "text": ("a.nrrd", nrrd(encoding="ascii") + raw(), "not raw or gzip"),
    "block": ("a.nrrd", nrrd(type="block") + raw(), "no plain numbers"),
    "channels": ("a.mha", meta(more="ElementNumberOfChannels = 3\n") + raw(), "no plain numbers"),
    "zero_spacing": ("a.mha", meta().replace(b"= 1 1 2", b"= 1 0 2") + raw(), "no scanner makes"),
    "no_offset": ("a.mha", meta().replace(b"Offset", b"Other") + raw(), "no orientation"),
    "twice": ("a.mha", meta(more="DimSize = 1 1 1\n") + raw(), "broken"),
    "raw_units": (
        "a.nrrd",
        nrrd(type="ushort") + bytes([*range(210), *range(1, 211)]),
        "Hounsfield",
    ),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_what_is_not_one_ct_volume_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    name, content, reason = REFUSALS[case]
    (tmp_path / "inside").mkdir()
    (tmp_path / "b.raw").write_bytes(raw())
    path = tmp_path / "inside" / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        LOADERS[name[2:]]()(path)
    assert str(tmp_path) not in str(caught.value)


def test_more_than_the_header_claims_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(1 << 26), mtime=0) * 32  # 2 GiB
    path = tmp_path / "a.nrrd"
    path.write_bytes(nrrd(encoding="gzip") + bomb)
    began = time.process_time()
    with pytest.raises(ContractError):
        NrrdLoader()(path)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_any_cut_gives_an_error_about_one_input(tmp_path: Path, name: str) -> None:
    content = (nrrd() if name == "a.nrrd" else meta()) + raw()
    path = tmp_path / name
    for length in range(0, len(content), 5):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            LOADERS[name[2:]]()(path)


def test_free_text_of_a_header_is_never_told(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(nrrd(more="content: Mustermann\nPatient:=Mustermann\n") + raw())
    assert "Mustermann" not in repr(NrrdLoader()(path).metadata)
    path.write_bytes(nrrd(type="Mustermann", more="sizes: Mustermann\n"))
    with pytest.raises(LoadError) as caught:
        NrrdLoader()(path)
    assert "Mustermann" not in str(caught.value)
