"""Volumes whose headers or packing claim far more than the file holds."""

from __future__ import annotations

import gzip
import os
import struct
import time
import zlib
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian

from fieldguide.errors import ContractError, InputError, LoadError
from fieldguide_medical.dicom_series import DicomSeriesLoader
from fieldguide_medical.nifti import NiftiLoader
from fieldguide_medical.nifti_bounds import MAX_DEFLATE_RATIO
from fieldguide_medical.volumes import check_size

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 5.0


def packed_zeros(gigabytes: int) -> bytes:
    """A gzip stream of zeros in a thousandth of their size; members one after the other."""
    member = gzip.compress(bytes(1 << 26), mtime=0)
    return member * (16 * gigabytes)


def header(shape: tuple[int, int, int], offset: float = 352) -> bytes:
    """A NIfTI-1 header, all of it, with the four bytes that say whether extensions follow."""
    made = nib.Nifti1Header()
    made.set_data_shape(shape)
    made.set_data_dtype(np.int16)
    made["sform_code"], made["magic"] = 1, b"n+1"
    made["srow_x"], made["srow_y"], made["srow_z"] = np.eye(4)[:3]
    content = bytearray(made.binaryblock)
    struct.pack_into("<f", content, 108, offset)
    return bytes(content) + b"\1\0\0\0"


@pytest.mark.parametrize("offset", [1e9, 3e38, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_that_begin_far_behind_the_header_are_not_looked_for(
    tmp_path: Path, suffix: str, offset: float
) -> None:
    path = tmp_path / f"ct{suffix}"
    start = header((8, 8, 8), offset)
    path.write_bytes(start if suffix == ".nii" else gzip.compress(start) + packed_zeros(4))
    began = time.process_time()
    with pytest.raises(LoadError, match="voxels begin at byte"):
        NiftiLoader()(path)
    assert time.process_time() - began < SECONDS


def test_an_extension_as_long_as_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    start = header((8, 8, 8), 0.0) + struct.pack("<ii", 2**30, 6)
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(start) + packed_zeros(2))
    began = time.process_time()
    with pytest.raises(LoadError, match="where extensions end"):
        NiftiLoader()(tmp_path / "ct.nii.gz")
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_claims_more_than_the_file_can_hold_is_a_load_error(
    tmp_path: Path, suffix: str
) -> None:
    content = header((800, 800, 800)) + bytes(1000)
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(content if suffix == ".nii" else gzip.compress(content))
    with pytest.raises(LoadError, match="claims 1024000000 bytes of voxels"):
        NiftiLoader()(path)


def test_no_deflated_stream_grows_more_than_the_ratio_that_is_used() -> None:
    size = 50_000_000
    assert size / len(zlib.compress(bytes(size), 9)) <= MAX_DEFLATE_RATIO


def test_wide_values_count_as_wide() -> None:
    check_size((512, 512, 1024), 8)
    with pytest.raises(ContractError, match="GiB"):
        check_size((512, 512, 1025), 8)


def test_a_deflated_series_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    packer = zlib.compressobj(9, wbits=-15)
    block = bytes(1 << 26)
    with (tmp_path / "a.dcm").open("wb") as stream:
        stream.write(bytes(128) + b"DICM")
        write_file_meta_info(stream, meta)
        for _ in range(12):  # 768 MiB
            stream.write(packer.compress(block))
        stream.write(packer.flush())
    began = time.process_time()
    with pytest.raises(LoadError, match="deflated"):
        DicomSeriesLoader()(tmp_path / "a.dcm")
    assert time.process_time() - began < SECONDS / 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.dcm"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    loader = DicomSeriesLoader() if name.endswith("dcm") else NiftiLoader()
    with pytest.raises(LoadError, match="not a file"):
        loader(tmp_path / name)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=700), known=st.booleans(), suffix=st.sampled_from(
    [".nii", ".nii.gz", ".dcm"]))  # fmt: skip
def test_any_bytes_are_a_volume_or_an_error_about_one_input(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, known: bool, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"a{suffix}"
    if known:
        start = header((2, 2, 2)) if suffix != ".dcm" else bytes(128) + b"DICM"
        content = start[: len(start) - len(content) % 60] + content
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") and known else content)
    loader = DicomSeriesLoader() if suffix == ".dcm" else NiftiLoader()
    try:
        assert loader(path).array.ndim == 4
    except InputError as error:
        assert str(error)
