"""BigEarthNet v2 (reBEN): 480,038 Sentinel-2 patches, 19 classes; test: 119,825.

Clasen et al. 2024, arXiv:2407.03653. Its ``metadata.parquet`` has the columns patch_id, labels and
split; a patch is a folder of single-band files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.benchmarks.measured import make_report
from fieldguide.benchmarks.multi_label import MultiLabelImages, measure
from fieldguide.benchmarks.published_files import absent, incomplete
from fieldguide.data.files import exists, is_folder, require_file
from fieldguide.data.inputs import Item
from fieldguide.errors import LoadError, UsageError
from fieldguide_remote_sensing.benchmarks.patches import RED_GREEN_BLUE, LazyPatch, band_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.guides import Guide

TITLE = "BigEarthNet"
CLASS_SET = "bigearthnet_19"
METADATA = "metadata.parquet"
IMAGES = "BigEarthNet-S2"
COLUMNS = ("patch_id", "labels", "split")
TEST, TEST_IMAGES = "test", 119_825
MAX_ROWS = 2_000_000


@dataclass(frozen=True)
class BigEarthNetZeroShot:
    """Mean average precision over the 19 classes of the test split, from red, green and blue.

    Attributes:
        whole: how many images the test split has.
    """

    whole: int = TEST_IMAGES
    name: str = "bigearthnet_zero_shot"

    def __call__(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the whole test split.

        Raises:
            UsageError: it is not there or not whole.
        """
        images, missing = find(root, self.whole)
        if missing or len(images.items) != self.whole:
            raise UsageError(_incomplete(root, images, missing))
        return self._report(guide, images)

    def on_subset(self, guide: Guide, root: Path) -> BenchmarkReport:
        """Measure on the patches of the test split that are there.

        Raises:
            UsageError: none is, or more than the split has.
        """
        images, missing = find(root, self.whole)
        if not images.items or len(images.items) > self.whole:
            raise UsageError(_incomplete(root, images, missing))
        return self._report(guide, images)

    def _report(self, guide: Guide, images: MultiLabelImages) -> BenchmarkReport:
        measured = measure(guide, images, CLASS_SET)
        return make_report(
            guide, self.name, "bigearthnet", measured, whole=images.whole, traps=TRAPS
        )


TRAPS = (
    "Red, green and blue only: reflectance 0 to 0.3 becomes 0 to 255, and 120 px of 10 m are "
    "enlarged to what the model takes.",
    "Figures on version 1 of the set, on 43 classes or as micro averages do not compare.",
)

zero_shot = BigEarthNetZeroShot()


def find(root: Path, whole: int) -> tuple[MultiLabelImages, list[str]]:
    """Return the patches of the test split that are there, and the names of those that are not.

    Args:
        root: folder with the metadata and the patches.
        whole: how many the split has.

    Raises:
        UsageError: there is no metadata or no folder of patches, or the metadata are of another
            form.
    """
    folder, table = root / IMAGES, root / METADATA
    if not exists(table) or not is_folder(folder):
        expected = f"{METADATA} beside the folder {IMAGES}/"
        raise UsageError(absent(root, TITLE, expected, "bigearthnet"))
    items, labels, missing = [], [], []
    for patch, own in _rows(table):
        place = folder / patch.rsplit("_", 2)[0] / patch
        if not exists(band_file(place, RED_GREEN_BLUE[0])):
            missing.append(patch)
            continue
        items.append(Item(place.absolute().as_posix(), place.as_posix(), image=LazyPatch(place)))
        labels.append(own)
    return MultiLabelImages(tuple(items), tuple(labels), whole), missing


def _rows(table: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield name and labels of each patch of the test split."""
    for row in _read(table).to_pylist():
        if row["split"] != TEST:
            continue
        patch, own = row["patch_id"], row["labels"]
        if not isinstance(patch, str) or not patch or set(patch) & set("/\\:\x00") or ".." in patch:
            raise _misshapen(table, f"{patch!r} is no name of a patch")
        if not isinstance(own, list) or not all(isinstance(label, str) for label in own):
            raise _misshapen(table, f"the labels of {patch} are no list of texts")
        yield patch, tuple(own)


def _read(table: Path) -> Any:
    try:
        require_file(table)
        file = pq.ParquetFile(table)
        if file.metadata.num_rows > MAX_ROWS:
            raise _misshapen(table, f"it has {file.metadata.num_rows} rows")
        if absent_columns := set(COLUMNS) - set(file.schema_arrow.names):
            raise _misshapen(table, f"it has no {', '.join(sorted(absent_columns))}")
        return file.read(columns=list(COLUMNS))
    except LoadError as error:
        raise UsageError(f"{table} cannot be read: {error}") from error
    except (pa.ArrowException, OSError) as error:
        raise _misshapen(table, str(error).splitlines()[0]) from error


def _misshapen(table: Path, fault: str) -> UsageError:
    return UsageError(
        f"{table} is no metadata of BigEarthNet v2 with the columns {', '.join(COLUMNS)}: {fault}. "
        "Get it again: fieldguide benchmark bigearthnet --how-to-get"
    )


def _incomplete(root: Path, images: MultiLabelImages, missing: Sequence[str]) -> str:
    text = f"{len(images.items)} of {images.whole} patches of the split {TEST!r}"
    return incomplete(root, TITLE, text, missing, more=len(images.items) > images.whole)
