"""How much a record counts at another place and in another month.

Kernels are how a density is estimated from points (Silverman 1986, "Density Estimation for
Statistics and Data Analysis", section 4.2): Gaussian in the distance on a great circle, and
Gaussian in the number of months around the year.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldguide_biodiversity.priors.cells import distances_km, middle_of, unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldguide.data.place_and_date import Place

NEAR_KM = 100.0
"""Standard deviation of the kernel: a record so far away counts 0.61."""
REACH_KM = 300.0
"""Records that are further away do not count."""
SEASON_MONTHS = 1.0
"""Standard deviation: a record of the month before or after counts 0.61, of the next 0.14."""


@dataclass(frozen=True, eq=False)
class CellWeights:
    """The weight of records by their cell.

    Attributes:
        cells: (K,) distinct cells, in order.
        directions: (K, 3) unit vectors to their middles.
    """

    cells: NDArray[np.int32]
    directions: NDArray[np.float64]

    @classmethod
    def of(cls, cells: NDArray[np.int32]) -> CellWeights:
        """Return the weights of some distinct cells."""
        return cls(cells, unit_vectors(*middle_of(cells)))

    def distances_km(self, place: Place) -> NDArray[np.float64]:
        """Return (K,) distances of the middles of the cells."""
        here = unit_vectors(np.array(place.latitude_deg), np.array(place.longitude_deg))
        return distances_km(self.directions, here)


def weight_of_distance(distances_km: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (K,) weights, 1 at the place and 0 beyond ``REACH_KM``."""
    weights = np.exp(-((distances_km / NEAR_KM) ** 2) / 2)
    return np.where(distances_km <= REACH_KM, weights, 0.0)


def weight_of_months(month: int) -> NDArray[np.float64]:
    """Return (13,) weights of records without a month and of the months 1 to 12.

    A record without a month counts as if it were spread over the year.
    """
    apart = np.abs(np.arange(1, 13) - month)
    apart = np.minimum(apart, 12 - apart)
    weights = np.exp(-((apart / SEASON_MONTHS) ** 2) / 2)
    return np.concatenate([[weights.mean()], weights])
