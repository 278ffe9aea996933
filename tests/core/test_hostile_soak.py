"""Damaged files of every kind end as loaded, recorded or refused; the soak test in small."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide import extras

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("soak_hostile", "hostile_mutators", "hostile_seeds")
MUTANTS, SEED = 100, 2026

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="watches memory through /proc"),
    pytest.mark.skipif(
        not all(extras.is_complete("fieldguide", name) for name in ("remote-sensing", "medical")),
        reason="needs the readers of rasters and volumes: pip install 'fieldguide[all]'",
    ),
]


@pytest.fixture(scope="module")
def soak_hostile() -> Iterator[Any]:
    """The module of the soak test; its processes import it by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        patch.setenv("OMP_NUM_THREADS", "1")
        import soak_hostile

        yield soak_hostile
        for name in MODULES:
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def watcher(soak_hostile: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    watching = soak_hostile.Watcher(tmp_path_factory.mktemp("hostile"))
    yield watching
    watching.close()


def test_every_kind_of_file_is_loaded_before_it_is_damaged(watcher: Any) -> None:
    ended = list(watcher.undamaged())
    assert [
        (each.mutant.seed.kind, each.reason) for each in ended if each.outcome != "loaded"
    ] == []
    assert len(ended) >= 20


def test_a_hundred_damaged_files_are_each_loaded_recorded_or_refused(
    soak_hostile: Any, watcher: Any
) -> None:
    ended = list(soak_hostile.soak(watcher, SEED, range(MUTANTS)))
    bad = [each for each in ended if each.outcome == "bad"]
    assert [(each.mutant.seed.kind, each.mutant.story, each.reason) for each in bad] == []
    outcomes = Counter(each.outcome for each in ended)
    assert min(outcomes[name] for name in ("loaded", "recorded", "refused")) >= 10


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise ValueError('ours no more')", "ValueError: ours no more"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died with -11"),
        ("(sandbox.output.parent / 'home' / 'x').touch()", "written elsewhere"),
        ("import traceback, sys; traceback.print_stack(); print('Traceback (most recent', "
         "file=sys.stderr, flush=True)", "on the screen"),
        ("import time; time.sleep(60)", "no answer within"),
        ("sandbox.hoard = b'x' * 1_500_000_000; import time; time.sleep(60)", "GiB of memory"),
    ],
    ids=["exception", "crash", "writes", "traceback", "hang", "memory"],
)  # fmt: skip
def test_the_watcher_sees_what_is_bad(
    soak_hostile: Any, watcher: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    fault: str, reason: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(watcher, "time_limit_s", 4.0)
    monkeypatch.setattr(watcher, "memory_limit_bytes", 1_500_000_000)
    seed = type(watcher.seeds[0])(soak_hostile.ON_PURPOSE, tmp_path, "a.py")
    (tmp_path / "a.py").write_text(fault)
    ended = watcher.give(soak_hostile.Mutant(seed, tmp_path / "a.py", "a fault on purpose"))
    assert ended.outcome == "bad"
    assert reason in ended.reason
