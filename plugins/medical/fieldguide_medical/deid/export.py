"""Copies a whole input without what tells of persons: resumable, with a report of every file."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.files import (
    atomic_path,
    exists,
    is_folder,
    is_link,
    only_writer,
    reached,
    read_bounded,
)
from fieldguide.errors import ContractError, InputError, LoadError, UsageError
from fieldguide.privacy.ids import real_path
from fieldguide.progress import watched
from fieldguide.writers.provenance import make_provenance, write_provenance
from fieldguide_medical.deid.nifti_file import copy_nifti

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fieldguide.privacy.names import PrivateNames
    from fieldguide_medical.deid.dicom_file import DicomCopyist

REPORT = "export.jsonl"
COPIED, KEPT = "copied", "kept"
NIFTI = (".nii", ".nii.gz")
SLIDES = (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".tif", ".tiff", ".svslide")
_MARK_OFFSET, _MARK = 128, b"DICM"
_REPORT_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of one file.

    Attributes:
        path: its id.
        status: "copied", "kept" (from an earlier run), "skipped" or "refused".
        copy: the copy, relative to the output; "" where there is none.
        fingerprint: of the source and the settings, made with the user's salt.
    """

    path: str
    status: str
    reason: str = ""
    copy: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class Export:
    """One job.

    Attributes:
        copyist: of DICOM files, with the settings of the job.
        private: ids of the sources.
        output: a folder outside all inputs.
    """

    copyist: DicomCopyist
    private: PrivateNames
    output: Path

    def run(self, inputs: Sequence[str | Path], *, progress: bool = False) -> list[Exported]:
        """Copy every file of the inputs, and write the report.

        Raises:
            UsageError: an input is not there, or the output is one of them or inside one.
            StoreError: the output cannot be written, or another process writes it.
        """
        self.private.typed([str(entry) for entry in inputs])
        with self.private.kept_out_of_errors():
            sources = list(dict.fromkeys(path for entry in inputs for path in _files(Path(entry))))
            self._check_apart(inputs)
            names = self.private.hide_paths([str(path) for path in sources])
            with only_writer(self.output / ".lock", self.output):
                before = self._before()
                bar = watched(sources, "file", shown=progress)
                with (self.output / REPORT).open("a", encoding="utf-8") as log:
                    rows = [
                        self._noted(self._one(path, names[str(path)], before), log) for path in bar
                    ]
                self._finish(rows)
        return rows

    def _one(self, path: Path, name: str, before: dict[str, Exported]) -> Exported:
        try:
            copy = self._place(path, name)
            print_ = self._fingerprint(path)
            old = before.get(name)
            if old is not None and old.fingerprint == print_ and exists(self.output / copy):
                return Exported(name, KEPT, copy=copy, fingerprint=print_)
            self._copy(path, self.output / copy)
            return Exported(name, COPIED, copy=copy, fingerprint=print_)
        except InputError as error:
            return Exported(name, error.status, self.private.scrub(str(error)))

    def _copy(self, path: Path, target: Path) -> None:
        if target.name.endswith(NIFTI):
            copy_nifti(path, target)
        else:
            self.copyist.copy(path, target)

    def _place(self, path: Path, name: str) -> str:
        """Return where a copy goes: in a folder of its own for each folder of slices.

        Raises:
            LoadError: it is neither DICOM nor NIfTI.
            ContractError: it is a slide.
        """
        reached(path)
        lower = path.name.lower()
        if lower.endswith(NIFTI):
            return name + (".nii.gz" if lower.endswith(".gz") else ".nii")
        if _has_mark(path):
            return f"{self.private.name_of(path.parent)}/{name}.dcm"
        if lower.endswith(SLIDES):
            raise ContractError(
                "slides are not copied: their labels and macro images show names. Cut tiles of it "
                "instead."
            )
        raise LoadError("neither DICOM nor NIfTI. Convert it, or leave it out.")

    def _fingerprint(self, path: Path) -> str:
        found, copyist = reached(path), self.copyist
        how = f"{copyist.shift_dates} {copyist.allow_burned_in}"
        return copyist.pseudonyms.fingerprint(
            f"{real_path(path)} {found.st_size} {found.st_mtime_ns} {how}"
        )

    def _check_apart(self, inputs: Sequence[str | Path]) -> None:
        output = Path(real_path(self.output))
        for entry in inputs:
            source = Path(real_path(Path(entry)))
            if output == source or output.is_relative_to(source):
                raise UsageError(
                    f"{self.output} lies inside an input, and the originals must stay as they "
                    "are. Name another --output."
                )

    def _before(self) -> dict[str, Exported]:
        """Return what earlier runs did; a torn last line is passed over."""
        report = self.output / REPORT
        found: dict[str, Exported] = {}
        if not exists(report):
            others = [path for path in self.output.iterdir() if not path.name.startswith(".")]
            if others:
                raise UsageError(f"{self.output} holds other files. Name a new --output.")
            return found
        for line in read_bounded(report, _REPORT_BYTES).decode("utf-8", "replace").splitlines():
            try:
                row = Exported(**json.loads(line))
            except (ValueError, TypeError):
                continue
            found[row.path] = row
        return found

    def _noted(self, row: Exported, log: Any) -> Exported:
        log.write(json.dumps(asdict(row)) + "\n")
        log.flush()
        return row

    def _finish(self, rows: Sequence[Exported]) -> None:
        """Write the report anew, one line a file, and how it was made."""
        with atomic_path(self.output / REPORT) as temporary:
            lines = (json.dumps(asdict(row)) + "\n" for row in rows)
            temporary.write_text("".join(lines), "utf-8")
        facts = make_provenance(
            command=["fieldguide", "medical", "export"],
            shift_dates=self.copyist.shift_dates,
            allow_burned_in=self.copyist.allow_burned_in,
            **Counter(row.status for row in rows),
        )
        write_provenance(facts, self.output / REPORT)


def _files(entry: Path) -> Iterator[Path]:
    """Yield the files of an input, in order; hidden ones and links to folders are passed over.

    Raises:
        UsageError: there is nothing of that name.
    """
    if not exists(entry):
        raise UsageError(f"{entry} is not there. Check the path.")
    if not is_folder(entry):
        yield entry
        return
    for parent, names, files in os.walk(entry):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and not (is_link(path) and is_folder(path)):
                yield path


def _has_mark(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            stream.seek(_MARK_OFFSET)
            return stream.read(len(_MARK)) == _MARK
    except OSError as error:
        raise LoadError(f"{error.strerror or 'not readable'}. Run: chmod +r on it.") from error
