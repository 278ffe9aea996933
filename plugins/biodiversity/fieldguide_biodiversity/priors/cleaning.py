"""Which rows of a table of occurrences tell that a species was there, and why others do not.

The reasons follow what users of GBIF filter by hand (Zizka et al. 2019, "CoordinateCleaner",
doi:10.1111/2041-210X.13152): absences, no or impossible places, fossils, captive animals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fieldguide_biodiversity.priors.cells import cell_of
from fieldguide_biodiversity.priors.columns import RANKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MAX_UNCERTAINTY_M = 100_000
"""Places that are less certain say nothing at the scale of the prior."""
UNKNOWN_MONTH = 0

ROWS = pa.schema(
    [
        ("taxon", pa.string()),
        ("above", pa.string()),
        ("cell", pa.int32()),
        ("month", pa.int8()),
        ("country", pa.string()),
    ]
)
"""Of what is kept; above: the names above the taxon, wide to narrow, with slashes between."""

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?\s*$"
_NOT_WILD = ("fossilspecimen", "livingspecimen")
_NAME = (
    r"^\s*(?P<genus>(?:\x{D7}\s?)?\p{Lu}[\p{L}-]+)(?:\s+\(\p{L}+\))?"
    r"(?:\s+(?P<epithet>(?:\x{D7}\s?)?\p{Ll}[\p{Ll}-]+))?"
)
_NO_EPITHETS = pa.array(
    ["sp", "spp", "cf", "aff", "indet", "nr", "ex", "et", "de", "van", "von", "auct", "sensu"]
)
_DATE = r"^\s*\d{4}-(?P<month>\d{2})"
_INTERVAL = r"^[^/]*/\s*\d{4}-(?P<month>\d{2})"


def clean(batch: Mapping[str, pa.Array]) -> tuple[pa.Table, dict[str, int]]:
    """Return the usable rows of one batch, and how many are left out for which reason.

    A row without a month is kept: it still tells of the place. A row is left out for the first
    reason that holds.

    Args:
        batch: texts by what they hold, see ``columns.ALIASES``; of one length.

    Returns:
        A table as ``ROWS``, and counts by reason.
    """
    count = len(next(iter(batch.values())))
    latitude, longitude = _numbers(batch["latitude"]), _numbers(batch["longitude"])
    taxon, above = _names(batch)
    reasons = {
        "absent": _absent(batch, count),
        "without a place": np.isnan(latitude) | np.isnan(longitude),
        "not on the earth": (np.abs(latitude) > 90) | (np.abs(longitude) > 180),
        "at 0,0": (latitude == 0) & (longitude == 0),
        "fossil or captive": _not_wild(batch, count),
        "place uncertain by more than 100 km": _uncertain(batch, count),
        "without a name": _mask(pc.equal(taxon, "")),
    }
    kept = np.ones(count, bool)
    counts = {}
    for reason, holds in reasons.items():
        if left_out := int((kept & holds).sum()):
            counts[reason] = left_out
        kept &= ~holds
    mask = pa.array(kept)
    columns = [
        taxon.filter(mask),
        above.filter(mask),
        pa.array(cell_of(latitude[kept], longitude[kept])),
        pa.array(_months(batch, count)[kept]),
        _texts(batch, "country", count).filter(mask),
    ]
    return pa.table(columns, schema=ROWS), counts


def _numbers(texts: pa.Array) -> NDArray[np.float64]:
    """Return (N,) numbers of texts; NaN for what is none."""
    is_number = pc.match_substring_regex(texts, _NUMBER)
    numbers = pc.cast(pc.utf8_trim_whitespace(pc.if_else(is_number, texts, None)), pa.float64())
    return np.asarray(pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False))


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False))


def _texts(batch: Mapping[str, pa.Array], thing: str, count: int) -> pa.Array:
    """Return texts without blanks around them; empty where nothing is known."""
    if thing not in batch:
        return pa.array([""] * count)
    return pc.utf8_trim_whitespace(pc.fill_null(batch[thing], ""))


def _absent(batch: Mapping[str, pa.Array], count: int) -> NDArray[np.bool_]:
    absent = _mask(pc.equal(pc.utf8_lower(_texts(batch, "status", count)), "absent"))
    if "individuals" not in batch:
        return absent
    none = _numbers(batch["individuals"]) == 0
    return np.asarray(absent | none)


def _not_wild(batch: Mapping[str, pa.Array], count: int) -> NDArray[np.bool_]:
    basis = pc.utf8_lower(_texts(batch, "basis", count))
    plain = pc.replace_substring_regex(basis, r"[_ ]", "")
    captive = pc.equal(pc.utf8_lower(_texts(batch, "captive", count)), "true")
    return _mask(pc.is_in(plain, value_set=pa.array(_NOT_WILD))) | _mask(captive)


def _uncertain(batch: Mapping[str, pa.Array], count: int) -> NDArray[np.bool_]:
    if "uncertainty_m" not in batch:
        return np.zeros(count, bool)
    return np.asarray(_numbers(batch["uncertainty_m"]) > MAX_UNCERTAINTY_M)


def _months(batch: Mapping[str, pa.Array], count: int) -> NDArray[np.int8]:
    """Return (N,) months, 1 to 12; 0 where a row has none, or spans several."""
    dates = _texts(batch, "date", count)
    month = _extracted(dates, _DATE)
    end = _extracted(dates, _INTERVAL)
    spans = _mask(pc.match_substring(dates, "/")) & (end != month)
    month = np.where(spans, np.nan, month)
    if "month" in batch:
        stated = _numbers(batch["month"])
        month = np.where(np.isnan(stated), month, stated)
    usable = np.isin(month, np.arange(1, 13))
    return np.where(usable, month, UNKNOWN_MONTH).astype(np.int8)


def _extracted(dates: pa.Array, pattern: str) -> NDArray[np.float64]:
    return _numbers(pc.struct_field(pc.extract_regex(dates, pattern), "month"))


def _names(batch: Mapping[str, pa.Array]) -> tuple[pa.Array, pa.Array]:
    """Return the narrowest name of each row, without authors, and those above it.

    The name is that of the species column, else the scientific name's, else the narrowest rank's.
    """
    count = len(next(iter(batch.values())))
    ranks = {rank: _texts(batch, rank, count) for rank in RANKS}
    tries = [_binomials(_texts(batch, "species", count), ranks["genus"])]
    tries += [_binomials(_texts(batch, "scientific_name", count), ranks["genus"])]
    tries += [_joined(ranks["genus"], _texts(batch, "epithet", count))]
    tries += [ranks[rank] for rank in reversed(RANKS)]
    taxon = pc.coalesce(*[pc.if_else(pc.equal(names, ""), None, names) for names in tries], "")
    above = [
        pc.if_else(pc.or_(pc.equal(names, ""), pc.equal(names, taxon)), None, names)
        for names in ranks.values()
    ]
    start = pa.array(["."] * count)  # pyarrow 26 loses rows where there is nothing to join
    joined = pc.binary_join_element_wise(start, *above, "/", null_handling="skip")
    return taxon, pc.utf8_slice_codeunits(joined, len("./"))


def _binomials(names: pa.Array, genus: pa.Array) -> pa.Array:
    """Return canonical names of scientific ones; an epithet alone is put behind its genus."""
    is_epithet = pc.match_substring_regex(names, r"^\p{Ll}[\p{Ll}-]+$")
    whole = pc.if_else(is_epithet, _joined(genus, names), names)
    parts = pc.extract_regex(whole, _NAME)
    first = pc.fill_null(pc.struct_field(parts, "genus"), "")
    epithet = pc.fill_null(pc.struct_field(parts, "epithet"), "")
    none = pc.or_(pc.equal(epithet, ""), pc.is_in(epithet, value_set=_NO_EPITHETS))
    return pc.if_else(none, first, _joined(first, epithet))


def _joined(genus: pa.Array, epithet: pa.Array) -> pa.Array:
    """Return binomials; empty where one of the parts is."""
    either = pc.or_(pc.equal(genus, ""), pc.equal(epithet, ""))
    return pc.if_else(either, "", pc.binary_join_element_wise(genus, epithet, " "))
