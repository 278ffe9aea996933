"""Predictions as occurrences in the terms of Darwin Core (https://dwc.tdwg.org/terms/)."""

from __future__ import annotations

import hashlib
import mimetypes
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide_biodiversity.outputs.answers import answer_of, epithet_of, part_of, silence_of
from fieldguide_biodiversity.outputs.where_when import event_date, location
from fieldguide_biodiversity.taxa import RANKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.results import Guess, Prediction, Predictions
    from fieldguide.taxonomy.taxon import Taxon

TERMS = (
    *("occurrenceID", "basisOfRecord", "occurrenceStatus", "individualCount"),
    *("scientificName", "taxonRank", "taxonID", "higherClassification"),
    *RANKS[:-1],
    *("specificEpithet", "infraspecificEpithet", "vernacularName"),
    *("decimalLatitude", "decimalLongitude", "geodeticDatum", "coordinateUncertaintyInMeters"),
    *("eventDate", "associatedMedia", "identifiedBy", "dateIdentified"),
    *("identificationVerificationStatus", "identificationRemarks"),
)
"""Of the namespace ``http://rs.tdwg.org/dwc/terms/``, in the order of the columns."""
MEDIA_TERMS = ("type", "format", "identifier", "title", "created")
"""Of the namespace ``http://purl.org/dc/terms/``."""
NO_TAXON = "not a taxon"
ID_BITS = 128


@dataclass(frozen=True)
class Occurrences:
    """What predictions say to have seen.

    Attributes:
        rows: by TERMS; terms that are not known are missing.
        media: the picture of each row, by MEDIA_TERMS.
        left_out: how many predictions are no occurrences, by reason.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    media: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> dict[str, Any]:
        """For the record beside the output."""
        return {"occurrences": len(self.rows), "no_occurrences": dict(self.left_out)}


def occurrences_of(result: Predictions) -> Occurrences:
    """Return one occurrence for each prediction whose best answer is a taxon.

    "None of these", inputs that could not be used, bins and labels that are no taxa are no
    occurrences; they are counted.
    """
    found = Occurrences()
    seen: Counter[str] = Counter()
    about = _identification(result.provenance)
    for prediction in result:
        guess = answer_of(prediction)
        if guess is None or guess.taxon is None:
            found.left_out[silence_of(prediction) if guess is None else NO_TAXON] += 1
            continue
        row = _occurrence(prediction, guess, guess.taxon) | about
        seen[row["occurrenceID"]] += 1
        if seen[row["occurrenceID"]] > 1:  # the same file twice in one job
            row["occurrenceID"] += f"-{seen[row['occurrenceID']]}"
        found.rows.append(row)
        found.media.append(_media(prediction))
    return found


def occurrence_id(prediction: Prediction) -> str:
    """Return an id that the same part of the same file has in every run.

    A manifest's own ``occurrenceID`` is kept, with ``#row,column,height,width`` for a part of a
    file; else it is a hash of the absolute path and the part.
    """
    own, part = str(prediction.metadata.get("occurrenceID") or ""), part_of(prediction)
    if own:
        return f"{own}#{part}" if part else own
    text = f"{Path(prediction.path).absolute().as_posix()}#{part}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return f"fieldguide:{digest[: ID_BITS // 4]}"


def _occurrence(prediction: Prediction, guess: Guess, taxon: Taxon) -> dict[str, Any]:
    row: dict[str, Any] = {
        "occurrenceID": occurrence_id(prediction),
        "basisOfRecord": "MachineObservation",
        "occurrenceStatus": "present",
        **_names(taxon),
        **location(prediction.metadata),
        "eventDate": event_date(prediction.metadata),
        "associatedMedia": prediction.path,
        "identificationRemarks": _remarks(prediction, guess),
    }
    if "box_index" in prediction.metadata:  # a detector drew it around one animal
        row["individualCount"] = 1
    return {term: value for term, value in row.items() if value not in (None, "")}


def _names(taxon: Taxon) -> dict[str, str]:
    """Return the terms of a taxon."""
    name, epithet = epithet_of(taxon)
    species, _, below = epithet.partition(" ")
    hybrid = "\u00d7" in epithet
    above = [each for _, each in taxon.lineage if each != taxon.name]
    return {
        "scientificName": taxon.name,
        "taxonRank": taxon.rank,
        "taxonID": taxon.id,
        "higherClassification": " | ".join(above),
        **{rank: each for rank, each in taxon.lineage if rank in RANKS[:-1]},
        "specificEpithet": epithet if hybrid else species,
        "infraspecificEpithet": below.rpartition(" ")[2]
        if name == taxon.name and not hybrid
        else "",
        "vernacularName": taxon.common_name,
    }


def _remarks(prediction: Prediction, guess: Guess) -> str:
    """Return what speaks for the answer, and against it."""
    parts = [] if guess.probability is None else [f"probability {guess.probability:.3f}"]
    if guess.without_prior is not None:
        parts.append(f"{guess.without_prior:.3f} without the prior of place and season")
    if prediction.status != "ok":
        parts.append(prediction.status.replace("_", " "))
    parts += [guess.why] if guess.why else []
    others = [
        f"{other.label} {other.probability:.3f}"
        for other in prediction.guesses[1:]
        if other.probability is not None
    ]
    parts += [f"next: {', '.join(others)}"] if others else []
    part = part_of(prediction)
    parts += [f"in the part {part} (row, column, height, width in pixels)"] if part else []
    return "; ".join(parts)


def _identification(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return who identified, and when: a model of a version of fieldguide."""
    model = (provenance.get("model") or {}).get("name") or "a model"
    adapter = provenance.get("adapter")
    name = adapter.get("name") if isinstance(adapter, dict) else adapter
    version = (provenance.get("packages") or {}).get("fieldguide") or ""
    who = f"{model} with the adapter {name}" if name else str(model)
    found = {
        "identifiedBy": f"{who} (fieldguide {version})".replace(" )", ")"),
        "dateIdentified": str(provenance.get("made_at") or ""),
        "identificationVerificationStatus": "unverified",
    }
    return {term: value for term, value in found.items() if value}


def _media(prediction: Prediction) -> dict[str, str]:
    media_type = mimetypes.guess_type(prediction.path)[0] or ""
    return {
        "type": "StillImage",
        "format": media_type if media_type.startswith("image/") else "",
        "identifier": prediction.path,
        "title": Path(prediction.path).name,
        "created": event_date(prediction.metadata),
    }
