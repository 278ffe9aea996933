"""Tars of pairs: two layouts, and tars that mean harm."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fieldguide.data.manifests import read_rows
from fieldguide.errors import LoadError, StoreError
from fieldguide.pairs import webdataset
from fieldguide.pairs.unpack import unpack_tars
from fieldguide.pairs.webdataset import TarFault, TarPair, read_tar

if TYPE_CHECKING:
    from pathlib import Path


def picture(number: int, form: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def member(name: str, size: int = 0, **facts: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in facts.items():
        setattr(info, key, value)
    return info


def write_tar(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files:
            tar.addfile(member(name, len(content)), io.BytesIO(content))
    return path


def rs5m_sample(number: int) -> list[tuple[str, bytes]]:
    key = f"{number:05}"
    return [
        (f"{key}.caption", f"satellite image {number}\n".encode()),
        (f"{key}.img_content", picture(number)),
        (f"{key}.img_name", f"pub11_{number}.jpg".encode()),
    ]


@pytest.fixture
def rs5m(tmp_path: Path) -> Path:
    """Ten samples as RS5M has them."""
    files = [part for number in range(10) for part in rs5m_sample(number)]
    return write_tar(tmp_path / "pub11-val-0000.tar", files)


def pairs_in(path: Path) -> list[TarPair]:
    return [found for found in read_tar(path) if isinstance(found, TarPair)]


def faults_in(path: Path) -> list[TarFault]:
    return [found for found in read_tar(path) if isinstance(found, TarFault)]


# ----------------------------------------------------------------------------- two layouts


def test_ten_samples_of_rs5m_are_read_in_their_order(rs5m: Path) -> None:
    found = list(read_tar(rs5m))
    expected = [TarPair(f"{n:05}", picture(n), f"satellite image {n}", {}) for n in range(10)]
    assert found == expected


def test_image_text_and_json_of_one_name_are_one_sample(tmp_path: Path) -> None:
    facts = {"caption": "from the json", "url": "http://x", "width": 3, "nan": float("nan"),
             "list": [1], "none": None}  # fmt: skip
    path = write_tar(tmp_path / "a.tar", [
        ("s/0.json", json.dumps(facts).encode()), ("s/0.png", picture(0, "PNG")),
        ("s/0.txt", b"from the text"), ("s/1.jpg", picture(1)),
        ("s/1.json", json.dumps(facts).encode()),
    ])  # fmt: skip
    first, second = pairs_in(path)
    assert (first.key, first.text, first.image) == ("s/0", "from the text", picture(0, "PNG"))
    assert first.metadata == {"url": "http://x", "width": 3}
    assert second.text == "from the json"


def test_unpacking_writes_pictures_and_a_manifest(rs5m: Path, tmp_path: Path) -> None:
    done = unpack_tars([rs5m], tmp_path / "out")
    assert (done.pairs, done.faults) == (10, ())
    rows = [row for _, row in read_rows(done.manifest)]
    assert [row["caption"] for row in rows] == [f"satellite image {n}" for n in range(10)]
    assert [row["id"] for row in rows] == [f"pub11-val-0000/{n:05}" for n in range(10)]
    for number, row in enumerate(rows):
        assert (done.manifest.parent / row["image"]).read_bytes() == picture(number)


def test_columns_that_mean_something_to_manifests_are_not_taken_from_a_tar(tmp_path: Path) -> None:
    facts = {"image": "/etc/passwd", "path": "x", "id": "y", "tar": "z", "source": "web"}
    path = write_tar(tmp_path / "a.tar", [
        ("0.jpg", picture(0)), ("0.txt", b"t"), ("0.json", json.dumps(facts).encode()),
    ])  # fmt: skip
    ((_, row),) = read_rows(unpack_tars([path], tmp_path / "out").manifest)
    assert set(row) == {"image", "id", "caption", "tar", "source"}
    assert row["image"].startswith("images/")


# ----------------------------------------------------------------------------- what is left out


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([("0.txt", b"no picture")], "it has no picture"),
        ([("0.jpg", b"x"), ("0.json", b"{")], "Expecting"),
        ([("0.jpg", b"x"), ("0.json", b"[]")], "no object"),
        ([("0.jpg", b"x"), ("0.json", b"[" * 100_000)], "recursion"),
        ([("0.jpg", b"x"), ("0.txt", b"\xff\xfe")], "utf-8"),
    ],
)
def test_a_sample_that_cannot_be_used_is_left_out_with_its_reason(
    tmp_path: Path, files: list[tuple[str, bytes]], reason: str
) -> None:
    path = write_tar(tmp_path / "a.tar", [*files, *rs5m_sample(7)])
    (fault,) = faults_in(path)
    assert fault.key == "0"
    assert reason in fault.reason
    assert [pair.key for pair in pairs_in(path)] == ["00007"]


# ----------------------------------------------------------------------------- tars that mean harm


def test_a_name_that_leads_out_is_only_a_name(tmp_path: Path) -> None:
    names = ["../../../evil.jpg", "/abs/evil.jpg", "a/../../evil2.jpg"]
    path = write_tar(tmp_path / "a.tar", [(name, picture(n)) for n, name in enumerate(names)])
    folder = tmp_path / "deep" / "out"
    assert unpack_tars([path], folder).pairs == 3
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    inside = {name for name in written if name.startswith("deep/out/images/00000/0000000")}
    assert written - inside == {"a.tar", "deep/out/pairs.jsonl"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE,
                                  tarfile.CHRTYPE])  # fmt: skip
def test_links_and_devices_are_left_out(tmp_path: Path, kind: bytes) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture(1))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(member("0.jpg", type=kind, linkname=str(secret)))
    (fault,) = read_tar(tmp_path / "a.tar")
    assert isinstance(fault, TarFault)
    assert "no file" in fault.reason


def test_a_part_that_says_it_is_huge_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    header = member("0.jpg", 8**11 - 1).tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(header + b"x" * 2048)
    found = list(read_tar(path))
    assert "bytes are more than" in getattr(found[0], "reason", "")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_header_that_says_it_is_huge_is_not_read(
    tmp_path: Path, kind: bytes, *, at_once: bool
) -> None:
    path = tmp_path / "a.tar"
    before = b"".join(
        member(name, len(content)).tobuf() + content + b"\0" * (-len(content) % 512)
        for name, content in rs5m_sample(3)
    )
    good = b"" if at_once else before
    path.write_bytes(good + member("x", 2**30, type=kind).tobuf(tarfile.GNU_FORMAT) + b"x" * 4096)
    if at_once:
        with pytest.raises(LoadError, match="not a tar"):
            list(read_tar(path))
    else:
        assert [pair.key for pair in pairs_in(path)] == ["00003"]
        assert "damaged from here on" in faults_in(path)[0].reason


def test_a_sparse_part_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    info = member("0.jpg", 512, type=tarfile.GNUTYPE_SPARSE)
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 512 + b"\0" * 1024)
    assert pairs_in(path) == []


@pytest.mark.parametrize("cut", [700, 5000, 20_000])
def test_a_tar_that_breaks_off_gives_what_is_before_and_says_so(
    rs5m: Path, tmp_path: Path, cut: int
) -> None:
    part = tmp_path / "cut.tar"
    part.write_bytes(rs5m.read_bytes()[:cut])
    found = list(read_tar(part))
    assert isinstance(found[-1], TarFault)
    whole = pairs_in(rs5m)
    assert [pair for pair in found if isinstance(pair, TarPair)] == whole[: len(pairs_in(part))]
    assert len(pairs_in(part)) < 10


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, b"\x1f\x8b" + b"\0" * 600])
def test_what_is_no_plain_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(LoadError, match="not a tar without compression"):
        list(read_tar(tmp_path / "a.tar"))


def test_a_folder_and_a_missing_file_are_no_tars(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="not a file"):
        list(read_tar(tmp_path))
    with pytest.raises(LoadError, match="Check the path"):
        list(read_tar(tmp_path / "none.tar"))


def test_memory_holds_one_picture_and_not_more_than_the_limit(
    rs5m: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webdataset, "MAX_IMAGE_BYTES", 100)
    assert len(faults_in(rs5m)) == 10
    assert pairs_in(rs5m) == []


# ----------------------------------------------------------------------------- the folder


def test_a_folder_with_other_things_is_left_alone(rs5m: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(StoreError, match="holds other things"):
        unpack_tars([rs5m], tmp_path / "out")


def test_what_a_killed_job_left_is_written_again(rs5m: Path, tmp_path: Path) -> None:
    images = tmp_path / "out" / "images" / "00000"
    images.mkdir(parents=True)
    (images / "000000000.jpg").write_bytes(b"half")
    done = unpack_tars([rs5m], tmp_path / "out")
    assert done.pairs == 10
    assert (images / "000000000.jpg").read_bytes() == picture(0)
