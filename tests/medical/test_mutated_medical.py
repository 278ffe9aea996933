"""Fifty damaged medical files in which a patient is named; the soak of benchmarks/ in small."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("mutate_medical", "medical_seeds", "hostile_mutators")
MUTANTS, SEED, SECONDS = 50, 2026, 20.0


@pytest.fixture(scope="module")
def soak() -> Iterator[Any]:
    """The module of the soak."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import mutate_medical

        yield mutate_medical
        for name in MODULES:
            sys.modules.pop(name, None)


def test_every_kind_of_file_is_read_before_it_is_damaged(soak: Any, tmp_path: Path) -> None:
    for seed in soak.write_medical_seeds(tmp_path):
        outcome, told = soak.judge(seed.kind, seed.folder / seed.entry)
        assert (seed.kind, outcome) == (seed.kind, "read"), told


def test_fifty_damaged_files_are_read_or_refused_in_time_and_name_nobody(
    soak: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.process_time()
    with warnings.catch_warnings(action="ignore"):  # of pydicom, which writes the mutants
        ended = list(soak.run(tmp_path, range(MUTANTS), SEED, soak.judge))
    assert [each for each in ended if each.outcome == "bad"] == []
    assert {each.outcome for each in ended} == {"read", "refused"}
    assert time.process_time() - began < SECONDS
    printed = "".join(capfd.readouterr()).lower()
    assert [word for word in soak.PLANTED if word in printed] == []


def test_a_message_that_names_the_patient_would_be_found(
    soak: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "readers", lambda kind: [lambda path: f"{kind} {path}"])
    outcome, told = soak.judge("nifti", tmp_path / "Mustermann.nii")
    assert (outcome, "tells ['mustermann']" in told) == ("bad", True)
