"""What the plugin offers for place and season. Imports nothing heavy."""

from __future__ import annotations

from fieldguide.specs import CommandSpec, OptionSpec

PLACE_COLUMNS = (("decimalLatitude", "decimalLongitude"),)
"""Of Darwin Core (Wieczorek et al. 2012, doi:10.1371/journal.pone.0029715)."""
DATE_COLUMNS = ("eventDate", "event_date", "observed_on", "DateTimeOriginal")
"""Of Darwin Core, of exports of iNaturalist, and of camera traps."""

PLACE_AND_SEASON = (
    OptionSpec(
        name="place",
        help="LAT,LON in degrees of images that have no place of their own: --place 51.5,-0.1",
        of_prior=True,
    ),
    OptionSpec(
        name="date",
        help="Of images that have no date of their own: 2026-06-01 or 2026-06.",
        of_prior=True,
    ),
    OptionSpec(
        name="occurrences",
        help="FILE.prior of 'biodiversity occurrences build', or a download of GBIF or "
        "iNaturalist: makes what lives there then more likely.",
        of_prior=True,
    ),
    OptionSpec(
        name="prior_strength",
        help="Of place and season: 0 for no effect, 1 (the default) to trust the table.",
        type="number",
        of_prior=True,
    ),
)

OCCURRENCES = CommandSpec(
    name="occurrences",
    summary="Make and show tables of where and when species were recorded",
    target="fieldguide_biodiversity.commands.occurrences:occurrences",
    domain="biodiversity",
)
