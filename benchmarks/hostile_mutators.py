"""Ways to damage a file: by bytes, by header fields, by text, by its place in the file system."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hostile_seeds import Seed

    OfBytes = Callable[[bytes, random.Random], bytes]
    OfFile = Callable[[Path, random.Random, Sequence[Seed]], None]

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HUGE = (0xFFFF, 60_000, 30_000, 0x7FFF)
NUMBERS = (b"-1", b"0", b"65535", b"2147483647", b"4294967296", b"1e400", b"NaN", b"-Infinity",
           b"9" * 5000, b"0x10", b"true", b"null", b"\"\"", b"2024-99-99")  # fmt: skip
TOKENS = (
    b"../../../../../../etc/passwd", b"/etc/passwd", b"file:///etc/passwd", b"/dev/zero",
    b"http://127.0.0.1:9/a.tif", b"/vsicurl/http://127.0.0.1:9/a.tif", b"=cmd|' /C calc'!A0",
    b"\x1b[2J\x1b]0;owned\x07", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\\ud800", b"\xed\xa0\x80",
    b"!!python/object/apply:os.system [id]", b"&a [*a, *a]", b"<<: *a", b"[" * 3000,
    b"{\"a\":" * 900, b"\"", b"'", b"\n\n", b",,,,,,", b"\r", b"\t", b"x" * 200_000,
    b"<!DOCTYPE a [<!ENTITY b \"cc\">]>", b"<!--", b"]]>", b"%s%n", b"{}", b"{0.__class__}",
)  # fmt: skip
TEXTS = (".csv", ".jsonl", ".yaml", ".txt", ".json", ".vrt")


@dataclass(frozen=True)
class Mutant:
    """A damaged copy of a seed.

    Attributes:
        entry: what is given to fieldguide.
        story: what was done to which file.
    """

    seed: Seed
    entry: Path
    story: str


def make_mutant(seed: Seed, seeds: Sequence[Seed], folder: Path, rng: random.Random) -> Mutant:
    """Write a copy of a seed into a folder and damage one or two of its files."""
    shutil.copytree(seed.folder, folder)
    entry, story = folder / seed.entry, []
    for _ in range(rng.choice((1, 1, 1, 2))):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not files:
            break
        own = [path for path in files if path == entry]
        victim = own[0] if own and rng.random() < 0.8 else rng.choice(files)
        name, damage = _choose(victim, rng)
        damage(victim, rng, seeds)
        story.append(f"{name} {victim.relative_to(folder)}")
    if entry.is_file() and rng.random() < 0.06:
        other = rng.choice((".jpg", ".png", ".tif", ".nii", ".nii.gz", ".csv", ".jsonl", ".vrt",
                            ".parquet", ".yaml", ".dcm", ".jp2", ""))  # fmt: skip
        renamed = entry.with_name(f"renamed{other}")
        entry = entry.rename(renamed)
        story.append(f"renamed to {renamed.name}")
    return Mutant(seed, entry, ", ".join(story))


def _choose(victim: Path, rng: random.Random) -> tuple[str, OfFile]:
    of_bytes = dict(BINARY)
    if victim.suffix in TEXTS:
        of_bytes |= TEXT
    if victim.suffix in (".jpg", ".png", ".tif", ".webp", ".gif", ".bmp", ".jp2", ".nii", ".gz",
                         ".dcm"):  # fmt: skip
        of_bytes["huge size"] = huge_size
    names = [*of_bytes] * 3 + [*FILES]
    name = rng.choice(names)
    return (name, FILES[name]) if name in FILES else (name, _on_content(of_bytes[name]))


def _on_content(mutate: OfBytes) -> OfFile:
    """Return a mutator of files; what is packed or has checksums is often made whole again."""

    def damage(path: Path, rng: random.Random, _: Sequence[Seed]) -> None:
        content = path.read_bytes()
        if path.suffix == ".gz" and rng.random() < 0.6:
            with contextlib.suppress(EOFError, OSError, zlib.error):  # it was damaged before
                path.write_bytes(gzip.compress(mutate(gzip.decompress(content), rng)))
                return
        content = mutate(content, rng)
        if path.suffix == ".png" and rng.random() < 0.6:
            content = with_png_checksums(content)
        path.write_bytes(content)

    return damage


# -- bytes -----------------------------------------------------------------------------------


def truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def empty(_: bytes, __: random.Random) -> bytes:
    return b""


def flip_bits(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[_place(changed, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def extreme_numbers(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        form = rng.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q", "<f"))
        size = struct.calcsize(form)
        if len(changed) < size:
            continue
        place = min(_place(changed, rng), len(changed) - size)
        value = float(rng.choice(EXTREMES)) if form == "<f" else rng.choice(EXTREMES) % 256**size
        struct.pack_into(form, changed, place, value)
    return bytes(changed)


def run_of_bytes(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    filling = rng.choice((b"\0", b"\xff", b"A", rng.randbytes(7)))
    length = end - start
    return content[:start] + (filling * length)[:length] + content[end:]


def remove_block(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + content[end:]


def double_block(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    return content[:end] + content[start:end] * rng.choice((1, 2, 50)) + content[end:]


def insert_noise(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice((1, 4, 100, 5000))) + content[place:]


def _place(content: bytes | bytearray, rng: random.Random) -> int:
    """Return a position, as often in the first 256 bytes, where headers are, as anywhere."""
    return rng.randrange(min(len(content), 256) if rng.random() < 0.5 else len(content))


def _block(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + rng.choice((1, 2, 8, 64, 1000)))


# -- sizes in headers --------------------------------------------------------------------------


def huge_size(content: bytes, rng: random.Random) -> bytes:
    """Return the file with a huge width and height, whatever its format."""
    side = rng.choice(HUGE)
    other = rng.choice((*HUGE, 8))
    for mark, edit in _SIZE_FIELDS.items():
        if content.startswith(mark) or mark in content[128:132]:
            return edit(bytearray(content), side, other)
    if len(content) >= 348:  # NIfTI: dim[1] and dim[2]
        return content[:42] + struct.pack("<2H", side & 0x7FFF, other & 0x7FFF) + content[46:]
    return content


def _png(content: bytearray, side: int, other: int) -> bytes:
    content[16:24] = struct.pack(">II", side, other)
    return with_png_checksums(bytes(content))


def _jpeg(content: bytearray, side: int, other: int) -> bytes:
    for mark in (b"\xff\xc0", b"\xff\xc2"):
        place = content.find(mark)
        if place > 0:
            content[place + 5 : place + 9] = struct.pack(">HH", side, other)
    return bytes(content)


def _tiff(content: bytearray, side: int, other: int) -> bytes:
    (start,) = struct.unpack_from("<I", content, 4)
    if start + 2 > len(content):
        return bytes(content)
    (entries,) = struct.unpack_from("<H", content, start)
    sizes = {256: side, 257: other, 278: other, 322: side & ~15, 323: other & ~15}
    for number in range(entries):
        place = start + 2 + 12 * number
        if place + 12 <= len(content):
            (tag,) = struct.unpack_from("<H", content, place)
            if tag in sizes:
                struct.pack_into("<HII", content, place + 2, 4, 1, sizes[tag])
    return bytes(content)


def _jp2(content: bytearray, side: int, other: int) -> bytes:
    place = content.find(b"ihdr")
    if place > 0:
        content[place + 4 : place + 12] = struct.pack(">II", side, other)
    return _codestream(content, side, other)


def _codestream(content: bytearray, side: int, other: int) -> bytes:
    place = content.find(b"\xff\x4f\xff\x51")
    if place >= 0:
        content[place + 8 : place + 16] = struct.pack(">II", side, other)
    return bytes(content)


def _dicom(content: bytearray, side: int, other: int) -> bytes:
    for mark, value in ((b"\x28\x00\x10\x00US", side), (b"\x28\x00\x11\x00US", other)):
        place = content.find(mark)
        if place > 0:
            content[place + 8 : place + 10] = struct.pack("<H", value)
    return bytes(content)


def _at(place: int, form: str) -> Callable[[bytearray, int, int], bytes]:
    def edit(content: bytearray, side: int, other: int) -> bytes:
        if len(content) >= place + struct.calcsize(form):
            struct.pack_into(form, content, place, side, other)
        return bytes(content)

    return edit


_SIZE_FIELDS: dict[bytes, Callable[[bytearray, int, int], bytes]] = {
    b"\x89PNG": _png,
    b"\xff\xd8": _jpeg,
    b"II*\0": _tiff,
    b"GIF8": _at(6, "<HH"),
    b"BM": _at(18, "<II"),
    b"RIFF": _at(26, "<HH"),
    b"\0\0\0\x0cjP": _jp2,
    b"DICM": _dicom,
}


def with_png_checksums(content: bytes) -> bytes:
    """Return a PNG whose chunks have the right checksums again, as far as it can be walked."""
    fixed, place = bytearray(content), 8
    while place + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, place)
        end = place + 8 + length
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[place + 4 : end]))
        place = end + 4
    return bytes(fixed)


# -- text ----------------------------------------------------------------------------------------


def other_numbers(content: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb"\d+(\.\d+)?", content))
    if not found:
        return content
    one = rng.choice(found)
    return content[: one.start()] + rng.choice(NUMBERS) + content[one.end() :]


def insert_token(content: bytes, rng: random.Random) -> bytes:
    words = list(re.finditer(rb"[\w./-]+", content))
    token = rng.choice(TOKENS)
    if words and rng.random() < 0.6:  # in place of a word: a path, a key, a value
        one = rng.choice(words)
        return content[: one.start()] + token + content[one.end() :]
    place = rng.randrange(len(content) + 1)
    return content[:place] + token + content[place:]


def other_encoding(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    return rng.choice(
        (text.encode("utf-16"), text.encode("utf-32"), text.encode("cp037", "replace"),
         b"\xef\xbb\xbf" + content, text.replace("o", "\u00f6").encode("latin-1", "replace"),
         text.replace("\n", "\r").encode(), text.replace("\n", "\u2028").encode())
    )  # fmt: skip


def swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def many_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    return content + rng.choice(lines) * 300 if lines else content


# -- places in the file system ---------------------------------------------------------------------


def removed(path: Path, _: random.Random, __: Sequence[Seed]) -> None:
    path.unlink()


def made_folder(path: Path, _: random.Random, __: Sequence[Seed]) -> None:
    path.unlink()
    path.mkdir()


def linked_to_itself(path: Path, _: random.Random, __: Sequence[Seed]) -> None:
    path.unlink()
    path.symlink_to(path.name)


def linked_elsewhere(path: Path, rng: random.Random, _: Sequence[Seed]) -> None:
    path.unlink()
    path.symlink_to(rng.choice(("/etc/passwd", "/dev/zero", "/dev/full", "/nowhere", ".", "..")))


def made_pipe(path: Path, _: random.Random, __: Sequence[Seed]) -> None:
    path.unlink()
    os.mkfifo(path)


def other_content(path: Path, rng: random.Random, seeds: Sequence[Seed]) -> None:
    others = [each for seed in seeds for each in seed.folder.rglob("*") if each.is_file()]
    shutil.copyfile(rng.choice(others), path)


BINARY: dict[str, OfBytes] = {
    each.__name__: each
    for each in (truncate, empty, flip_bits, extreme_numbers, run_of_bytes, remove_block,
                 double_block, insert_noise)
}  # fmt: skip
TEXT: dict[str, OfBytes] = {
    each.__name__: each
    for each in (other_numbers, insert_token, other_encoding, swap_lines, many_lines)
}
FILES: dict[str, OfFile] = {
    each.__name__: each
    for each in (removed, made_folder, linked_to_itself, linked_elsewhere, made_pipe,
                 other_content)
}  # fmt: skip
