"""Place and season as a prior: what the options of the command line make of an occurrence table."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.place_and_date import Circumstances, parse_month, parse_place
from fieldguide.zeroshot.priors import Belief, check_strength
from fieldguide_biodiversity.priors.build import open_occurrences
from fieldguide_biodiversity.priors.occurrence_prior import prior_of_labels
from fieldguide_biodiversity.priors.regions import taxa_of_region

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from fieldguide.taxonomy.tree import Tree
    from fieldguide.zeroshot.priors import Candidates, Prior, PriorSource
    from fieldguide_biodiversity.priors.table import OccurrenceTable

logger = logging.getLogger(__name__)

GET_A_TABLE = (
    "Download occurrences of your region from https://www.gbif.org/occurrence/search (format "
    "SIMPLE), run 'fieldguide biodiversity occurrences build DOWNLOAD.zip -o here.prior', and add "
    "--occurrences here.prior"
)
NAMES_SHOWN = 5


@dataclass(frozen=True, eq=False)
class OccurrenceSource:
    """Makes priors of place and season from a table of occurrences.

    Attributes:
        table: how often taxa were recorded, where and when.
        usual: place and month of images that do not say them of themselves.
        strength: 0 for no effect, 1 to trust it as it is.
    """

    table: OccurrenceTable
    usual: Circumstances = field(default_factory=Circumstances)
    strength: float = 1.0

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the record of a job notes."""
        return {
            "occurrences": dict(self.table.about),
            "place": None if self.usual.place is None else str(self.usual.place),
            "month": self.usual.month,
            "strength": self.strength,
        }

    def taxa_in(self, tree: Tree, region: str) -> NDArray[np.integer]:
        """Return the taxa that were recorded in a country, see ``regions.taxa_of_region``."""
        return taxa_of_region(region, tree, self.table)

    def for_labels(self, candidates: Candidates) -> Prior:
        """Return the prior of some labels; names of the table that they do not have are told."""
        prior, missing = prior_of_labels(self.table, candidates, self.usual, self.strength)
        if missing:
            logger.warning(
                "%d names of the occurrences are not among the taxa of this run, such as %s; their "
                "records count for the taxa above them",
                len(missing), ", ".join(missing[:NAMES_SHOWN]),
            )  # fmt: skip
        return prior


@dataclass(frozen=True, eq=False)
class NoTable:
    """Says of each image that place and season have no say, for want of a table."""

    strength: float = 0.0

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the record of a job notes."""
        return {"occurrences": None}

    def for_labels(self, _candidates: Candidates) -> Prior:
        """Return a prior that knows nothing."""
        return self

    def belief(self, _metadata: Mapping[str, Any]) -> Belief:
        """Return that nothing is known."""
        return Belief(None, "no prior: no table of occurrences")


def place_and_season(
    *,
    place: str | None = None,
    date: str | None = None,
    occurrences: str | Path | None = None,
    prior_strength: float = 1.0,
) -> PriorSource:
    """Return the prior that the options of the domain describe.

    Without a table place and date have no say; a warning tells how to get one.

    Args:
        place: ``LATITUDE,LONGITUDE`` of images that have none.
        date: ISO 8601, of images that have none.
        occurrences: a ``.prior`` file or a download.
        prior_strength: 0 for no effect, 1 to trust it as it is.

    Raises:
        UsageError: one of them makes no sense, or the table cannot be read.
    """
    check_strength(prior_strength)
    usual = Circumstances(
        None if place is None else parse_place(place), None if date is None else parse_month(date)
    )
    if occurrences is None:
        logger.warning("place and date have no effect without a table of occurrences. %s",
                       GET_A_TABLE)  # fmt: skip
        return NoTable()
    return OccurrenceSource(open_occurrences(Path(occurrences)), usual, prior_strength)
