"""Merlin's abdominal CT with the findings of their reports.

Blankemeier et al. 2024, arXiv:2406.06512. Its table is an Excel file, to be saved as CSV: one
column is the study, one the findings and one the split, whatever the case of their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.pooled_retrieval import PooledRetrieval
from fieldguide.zeroshot.class_sets import bare
from fieldguide_medical.benchmarks.reports_table import ReportRow, ReportTable

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAPS = (
    "The size of the pools is the protocol: Merlin's are of 64 unless they say otherwise, not the "
    "whole test set.",
    "The published figures are of findings and of impressions, which are different texts; these "
    "are of findings.",
)


def read_row(cells: Mapping[str, Any]) -> ReportRow | None:
    """Return what a row of the table says; None for other splits than test.

    Raises:
        KeyError: a column is not there.
    """
    by_name = {bare(str(column)): value for column, value in cells.items()}
    if str(by_name["split"]).strip().casefold() != "test":
        return None
    study = str(by_name["studyid"])
    paths = (f"{study}.nii.gz", f"{study}.nii")
    return ReportRow(paths, str(by_name["findings"] or "").strip(), study)


DATA = ReportTable(
    name="merlin",
    title="Merlin Abdominal CT",
    files=("reports_final.csv", "merlinabdominalctdataset/reports_final.csv"),
    folders=("merlin_data", "merlinabdominalctdataset/merlin_data"),
    read=read_row,
)
pool_32 = PooledRetrieval(DATA, "merlin_pool_32", pool_size=32, traps=TRAPS)
pool_64 = PooledRetrieval(DATA, "merlin_pool_64", pool_size=64, traps=TRAPS)
pool_128 = PooledRetrieval(DATA, "merlin_pool_128", pool_size=128, traps=TRAPS)
