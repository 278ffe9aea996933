"""A calibration of taxa: probabilities that can be believed, and an honest "none of these".

It is a small JSON file that says for which model and labels it was fitted, and refuses any other.
It names no image.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from fieldguide.data.files import atomic_path, read_bounded
from fieldguide.errors import LoadError, UsageError
from fieldguide.models.embeddings import SpaceId
from fieldguide.specs import Record, list_faults
from fieldguide.zeroshot.none_of_these import NoneRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_BYTES = 2**20
FIT = "fieldguide evaluate MANIFEST --domain NAME --write-calibration FILE"


class TaxaCalibration(Record):
    """All that a calibration file of taxa holds.

    Attributes:
        kind: of the file.
        format: of the file.
        taxonomy: name of the tree.
        labels: digest of the labels' prompts, in their order; see :func:`digest_of`.
        label_count: how many there are.
        space: of the model.
        logit_scale: the factor on cosines.
        rows: labelled rows that it was fitted on.
        groups: how many groups of rows.
        none: when to say "none of these"; None where no pictures of other things were given.
        figures: log loss before and after.
    """

    kind: Literal["taxa calibration"] = "taxa calibration"
    format: Literal[1] = 1
    taxonomy: str
    labels: str
    label_count: int = Field(ge=1)
    space: SpaceId
    logit_scale: float = Field(gt=0, allow_inf_nan=False)
    rows: int = Field(ge=1)
    groups: int = Field(ge=1)
    none: NoneRule | None = None
    figures: dict[str, Any] = Field(default={})

    def write(self, path: str | Path) -> Path:
        """Write the file; it replaces one that is there."""
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", "utf-8")
        return Path(path)

    def require_labels(self, digest: str) -> None:
        """Raise UsageError unless it was fitted with labels of this digest."""
        if self.labels != digest:
            raise UsageError(
                f"The calibration is of {self.label_count} other labels of {self.taxonomy}. Use "
                f"the tree, clades, text type and templates that it was fitted with, or fit "
                f"another: {FIT}"
            )


def digest_of(prompts: Iterable[Sequence[str]]) -> str:
    """Return a digest of the prompts of labels, in their order."""
    digest = hashlib.sha256()
    for texts in prompts:
        for text in texts:
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(b"\1")
    return digest.hexdigest()


def read_taxa_calibration(path: str | Path) -> TaxaCalibration:
    """Return the calibration of a file.

    Raises:
        UsageError: it cannot be read or is no calibration of taxa.
    """
    try:
        return TaxaCalibration.model_validate_json(read_bounded(Path(path), MAX_BYTES))
    except LoadError as error:
        raise UsageError(f"{path}: {error}") from error
    except ValidationError as error:
        raise UsageError(
            f"{path} is no calibration of taxa: {list_faults(error)}. Make one: {FIT}"
        ) from error
