"""Damage medical files in which a patient is named; each is read or refused, and names nobody.

A small sound file of each kind is damaged: bits flipped, cut, header fields and sizes changed. A
process of its own reads each mutant, and *bad* is: a crash of that process, more than the time
limit, an exception that is not ours, and a planted name, number or identifier in a message, in
metadata, in the table of series, or on the screen::

    python benchmarks/mutate_medical.py --mutants 500 --seed 0
    python benchmarks/mutate_medical.py --seed 0 --only 417
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
from hostile_mutators import (
    double_block,
    empty,
    extreme_numbers,
    flip_bits,
    huge_size,
    insert_noise,
    insert_token,
    other_numbers,
    remove_block,
    run_of_bytes,
    truncate,
)
from medical_seeds import PLANTED, MedicalSeed, write_medical_seeds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TIME_LIMIT_S = 30.0
START_LIMIT_S = 180.0
READ, REFUSED, BAD = "read", "refused", "bad"

OF_BYTES = (
    flip_bits, flip_bits, truncate, truncate, extreme_numbers, huge_size, huge_size, run_of_bytes,
    remove_block, double_block, insert_noise, empty,
)  # fmt: skip
OF_TEXT = (other_numbers, insert_token)
TEXT_ENDINGS = (".nhdr", ".nrrd", ".mha", ".mhd")
ELEMENTS: dict[str, tuple[Any, ...]] = {
    "Rows": (0, 1, 65535),
    "Columns": (0, 65535),
    "BitsAllocated": (1, 8, 12, 32, 64),
    "BitsStored": (0, 1, 255),
    "PixelRepresentation": (1, 7),
    "SamplesPerPixel": (0, 3, 65535),
    "NumberOfFrames": (0, 2, 2_000_000_000),
    "PixelSpacing": ([0, 0], [1e300, 1], [1], None),
    "ImagePositionPatient": ([0, 0, 0], [1e300, 0, 0], [1, 2], None),
    "ImageOrientationPatient": ([0] * 6, [1, 0, 0, 1, 0, 0], [1], None),
    "SliceThickness": (0, -1, None),
    "RescaleSlope": (0, -1, 1e300, None),
    "RescaleIntercept": (1e300, -3000, None),
    "RescaleType": ("Mustermann",),
    "Modality": ("MUSTERMANN", "MR", "SEG", "RTSTRUCT", None),
    "ImageType": (["ORIGINAL", "PRIMARY", "LOCALIZER"], ["MUSTERMANN"], None),
    "PhotometricInterpretation": ("MONOCHROME1", "RGB", "MUSTERMANN", None),
    "SeriesInstanceUID": ("1.2.826.4711.9", None),
    "SeriesDescription": ("Mustermann" * 6,),
    "WindowWidth": (0, -1, 1e300),
    "PixelPaddingValue": (0, 65535),
    "PixelData": (b"", b"\0\0", bytes(10_000)),
    "PatientName": ("Mustermann\\Erika", ""),
}


@dataclass(frozen=True)
class Judged:
    """How one mutant ended."""

    number: int
    kind: str
    outcome: str
    story: str
    reason: str
    seconds: float


def readers(kind: str) -> list[Any]:
    """Return what reads an input of a kind; each takes a path and returns something to print."""
    from fieldguide_medical import dicom_series, metaimage, nifti, nrrd, radiographs

    name = kind.split()[0]
    if name in ("dicom", "radiograph"):
        return [
            dicom_series.DicomSeriesLoader(correct_gantry_tilt=True, resample_uneven=True),
            radiographs.RadiographLoader(),
            _table,
        ]
    loaders: dict[str, Any] = {
        "nifti": nifti.NiftiLoader, "nrrd": nrrd.NrrdLoader, "nhdr": nrrd.NrrdLoader,
        "mha": metaimage.MetaImageLoader, "svs": lambda: _windows,
    }  # fmt: skip
    return [loaders[name]()]


def _windows(path: Path) -> Any:
    """Read a slide window by window, and its overview; return what is told of it and of them."""
    from fieldguide.samples import Window
    from fieldguide_medical.slides.loader import SlideLoader, open_slide_windows

    with open_slide_windows(SlideLoader(), path) as slide:
        told = [dict(slide.metadata), slide.size_px]
        height, width = slide.size_px
        for row in range(0, height, max(1, height // 4)):
            window = Window((row, 0), (min(100, height - row), min(100, width)))
            told += [slide.read(window, 64).valid_fraction, dict(slide.place(window))]
        slide.overview(256)
    return told


def _table(path: Path) -> Any:
    from fieldguide.data.inputs import Item
    from fieldguide_medical.series_table import rows_of

    return rows_of(Item("item", "item", path))


def judge(kind: str, entry: Path) -> tuple[str, str]:
    """Read an input in every way; return the outcome and what was said. Never raises."""
    from fieldguide.errors import FieldguideError

    outcome, told = REFUSED, []
    for reader in readers(kind):
        try:
            result = reader(entry)
        except FieldguideError as error:
            told.append(str(error))
        except Exception as error:  # noqa: BLE001 - what is not ours is what is looked for
            return BAD, f"{type(error).__name__}: {error}"
        else:
            outcome = READ if reader is not _table else outcome
            told.append(repr(getattr(result, "metadata", result)))
            told.append(" ".join(getattr(result, "repairs", ())))
    text = " | ".join(told)
    found = [word for word in PLANTED if word in text.lower()]
    return (BAD, f"tells {found}: {text}") if found else (outcome, text)


def mutate(seed: MedicalSeed, folder: Path, number: int, master: int) -> tuple[Path, str]:
    """Write a damaged copy; return what is to be read, and what was done."""
    rng = random.Random(f"{master}-{number}")
    target = folder / seed.folder.name
    shutil.copytree(seed.folder, target)
    story = []
    for _ in range(rng.choice((1, 1, 2))):
        victim = rng.choice(sorted(path for path in target.rglob("*") if path.is_file()))
        story.append(f"{_damage(victim, rng)} of {victim.suffix or 'file'}")
    return target / seed.entry if seed.entry else target, ", ".join(story)


def _damage(victim: Path, rng: random.Random) -> str:
    if victim.suffix == ".dcm" and rng.random() < 0.5:
        name = rng.choice(sorted(ELEMENTS))
        value = rng.choice(ELEMENTS[name])
        with contextlib.suppress(Exception):  # pydicom refuses to write some
            _set_element(victim, name, value)
            return f"{name} changed"
    choices = (*OF_BYTES, *OF_TEXT * 4) if victim.suffix in TEXT_ENDINGS else OF_BYTES
    change = rng.choice(choices)
    victim.write_bytes(change(victim.read_bytes(), rng))
    return change.__name__


def _set_element(path: Path, name: str, value: Any) -> None:
    ds = pydicom.dcmread(path)
    if value is None:
        delattr(ds, name)
    else:
        setattr(ds, name, value)
    ds.save_as(path)


def _work(connection: Any, screen: Path, sound: tuple[str, Path]) -> None:
    """Read what is sent, in a process of its own; all that is printed goes into a file."""
    with screen.open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    connection.send(judge(*sound))  # imports what the first read needs
    while (order := connection.recv()) is not None:
        connection.send(judge(*order))
    connection.send(("peak", str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))


class Watched:
    """A process that reads mutants, started again when it dies or hangs."""

    def __init__(self, screen: Path, sound: tuple[str, Path]) -> None:
        self.screen, self.sound = screen, sound
        self.process: Any = None

    def start(self) -> None:
        """Start the process; it reads a sound file first, so that imports do not count."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, self.screen, self.sound), daemon=True
        )
        self.process.start()
        theirs.close()
        if not self.connection.poll(START_LIMIT_S):
            raise SystemExit("The reading process did not start.")
        outcome, reason = self.connection.recv()
        if outcome != READ:
            raise SystemExit(f"A sound file is {outcome}: {reason}")

    def ask(self, kind: str, entry: Path) -> tuple[str, str]:
        """Return how one input ended."""
        if self.process is None:
            self.start()
        self.connection.send((kind, entry))
        if not self.connection.poll(TIME_LIMIT_S):
            self.process.kill()
            self.process = None
            return BAD, f"took more than {TIME_LIMIT_S:.0f} s"
        try:
            outcome, reason = self.connection.recv()
        except EOFError:
            self.process.join()
            code, self.process = self.process.exitcode, None
            return BAD, f"the process ended with {code}"
        return outcome, reason

    def close(self) -> int:
        """End the process; return its largest memory in MiB."""
        self.connection.send(None)
        return int(self.connection.recv()[1])


def run(root: Path, numbers: Iterable[int], master: int, ask: Any) -> Iterator[Judged]:
    """Make mutants and judge them by ``ask(kind, entry)``; the kinds take turns."""
    seeds = write_medical_seeds(root / "mutated")
    for number in numbers:
        seed = seeds[number % len(seeds)]
        folder = root / f"mutant_{number}"
        entry, story = mutate(seed, folder, number, master)
        began = time.perf_counter()
        outcome, reason = ask(seed.kind, entry)
        seconds = time.perf_counter() - began
        yield Judged(number, seed.kind, outcome, story, reason, seconds)
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    given = parser.parse_args()
    numbers = range(given.mutants) if given.only is None else [given.only]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        sound = write_medical_seeds(root / "sound")[0]
        watched = Watched(root / "screen.txt", (sound.kind, sound.folder / sound.entry))
        watched.start()
        with warnings.catch_warnings(action="ignore"):  # of pydicom, which writes the mutants
            ended = list(run(root, numbers, given.seed, watched.ask))
        peak_mib = watched.close()
        printed = (root / "screen.txt").read_text("utf-8", "replace").lower()
    for kind, outcome in sorted(Counter((each.kind, each.outcome) for each in ended).items()):
        print(f"{kind[0]:16} {kind[1]:8} {outcome}")
    bad = [each for each in ended if each.outcome == BAD]
    for each in bad if given.only is None else ended:
        print(f"{each.number} {each.kind}: {each.outcome}: {each.story}: {each.reason[:600]}")
    told = [word for word in PLANTED if word in printed]
    slowest = max(each.seconds for each in ended)
    print(
        f"{len(ended)} mutants, {len(bad)} bad, slowest {slowest:.1f} s, peak {peak_mib} MiB, "
        f"{len(printed)} characters printed, names among them: {told or 'none'}"
    )
    sys.exit(1 if bad or told else 0)


if __name__ == "__main__":
    main()
