"""Small files that stand for much: refused before time or memory is spent."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldguide.contract import InputContract
from fieldguide.data.images import ImageLoader
from fieldguide.errors import (
    ContractError,
    FieldguideError,
    LoadError,
    RegistryError,
    UsageError,
)
from fieldguide.models.prepare import resize
from fieldguide.plain_yaml import load_yaml
from fieldguide.plugins import get_catalog
from fieldguide.registry import read_core_registry
from fieldguide.zeroshot.class_sets import load_class_set, read_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEAK_BYTES = 50_000_000
SECONDS = 10.0


@pytest.fixture
def cheap() -> Iterator[None]:
    """Fail a test that takes much memory of Python's or much time."""
    tracemalloc.start()
    began = time.process_time()
    yield
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < PEAK_BYTES
    assert time.process_time() - began < SECONDS


def laughs(levels: int = 12, width: int = 10) -> str:
    """Lists of aliases of lists: ``width ** levels`` values when they are written out."""
    lines = ["a0: &a0 [lol]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines) + "\n"


BOMBS = {
    "aliases": laughs(),
    "merged keys": "a0: &a0 {k: 1}\n" + "".join(
        f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "itself": "classes: &a [*a]\n",
    "deep": "[" * 100_000,
    "deep blocks": "\n".join(" " * n + "a:" for n in range(1500)),
    "long number": f"version: {'9' * 5000}",
    "impossible date": "version: 2024-99-99",
    "code": "version: !!python/object/apply:os.system [id]",
    "wrong tag": "version: !!bool x",
    "control": "name: \x07",
}  # fmt: skip


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_class_set_that_is_a_bomb_is_a_usage_error(tmp_path: Path, bomb: str) -> None:
    (tmp_path / "set.yaml").write_text(bomb)
    with pytest.raises(UsageError, match=r"set\.yaml") as caught:
        load_class_set(str(tmp_path / "set.yaml"), get_catalog())
    assert len(str(caught.value)) < 10_000


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_registry_that_is_a_bomb_is_a_registry_error(
    tmp_path: Path, bomb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.yaml").write_text(bomb)
    monkeypatch.setenv("FIELDGUIDE_REGISTRY", str(tmp_path / "r.yaml"))
    with pytest.raises(RegistryError, match=r"r\.yaml"):
        read_core_registry().with_user_overlay()


def test_aliases_that_stay_small_are_read_as_the_standard_reader_does(tmp_path: Path) -> None:
    text = "a: &a {x: [1, 2]}\nb: *a\nc:\n  <<: *a\n  y: 3\n"
    (tmp_path / "a.yaml").write_text(text)
    assert load_yaml(tmp_path / "a.yaml") == yaml.safe_load(text)


YAML_PIECES = (b"a", b": ", b"\n", b"- ", b"[", b"]", b"{", b"}", b"&x ", b"*x", b"!!", b"int ",
               b"<<", b"'", b'"', b"|", b"\xff", b"2024-99-99", b"0x", b"? ")  # fmt: skip


LIBYAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""As the product; PyYAML's own parser takes a lone "!" for nothing, libyaml for an empty text."""


@settings(max_examples=150, deadline=None)
@example(content=b"!")
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from(YAML_PIECES),
            max_size=20,
        ).map(b"".join),
    )
)  # fmt: skip
def test_any_bytes_are_yaml_or_one_kind_of_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "a.yaml"
    path.write_bytes(content)
    try:
        found = load_yaml(path)
    except yaml.YAMLError:
        return
    assert found == yaml.load(content.decode("utf-8-sig"), LIBYAML) or found != found


@pytest.mark.parametrize("suffix", [".txt", ".yaml"])
def test_a_device_without_end_is_no_list_of_labels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    path.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="not a file"):
        read_labels(path) if suffix == ".txt" else load_class_set(str(path), get_catalog())


def png(width: int, height: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b""
    for kind, content in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content
        chunks += struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + chunks


def packed(megabytes: int) -> bytes:
    """So many zeros in a thousandth of their size."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


@pytest.mark.usefixtures("cheap")
def test_pixels_that_unpack_far_beyond_the_size_of_a_picture_are_not_unpacked(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.png").write_bytes(png(40, 40, packed(400)))
    try:
        sample = ImageLoader()(tmp_path / "a.png")
    except LoadError:
        return
    assert sample.size_px == (40, 40)


@pytest.mark.usefixtures("cheap")
def test_a_text_chunk_that_unpacks_to_much_is_a_load_error_or_left_out(tmp_path: Path) -> None:
    content = png(4, 4, zlib.compress(bytes(20)))
    text = b"Comment\0\0" + packed(300)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    try:
        ImageLoader()(tmp_path / "a.png")
    except LoadError as error:
        assert str(error).endswith("again.")


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300), start=st.sampled_from(
    [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*",
     b"RIFF\x20\0\0\0WEBPVP8 "]))  # fmt: skip
def test_any_bytes_are_a_sample_or_an_error_about_one_input(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.jpg"
    path.write_bytes(start + content)
    try:
        sample = ImageLoader()(path)
    except FieldguideError as error:
        assert error.status in ("skipped", "refused")  # type: ignore[attr-defined]
    else:
        assert sample.array.ndim == 3


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000)])
def test_a_picture_of_one_row_is_refused_before_it_is_made_224_rows_high(
    size: tuple[int, int],
) -> None:
    contract = InputContract(
        size_px=(224, 224), resize="center_crop", mean=(0, 0, 0), std=(1, 1, 1)
    )
    with pytest.raises(ContractError, match=r"60000 .*too thin"):
        resize(np.zeros((size[1], size[0], 3), np.uint8), contract)
