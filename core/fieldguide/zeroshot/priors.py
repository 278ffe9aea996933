"""What is known beside the picture, such as place and season, as a boost of the labels it favours.

Where the picture and what is known beside it depend on each other only through the label y,
``p(y | picture, beside) ~ p(picture | y) p(y | beside)`` (Mac Aodha et al. 2019, "Presence-Only
Geographical Priors for Fine-Grained Image Classification", arXiv:1906.05272). A
classifier whose labels count alike therefore gains by the sum

    logits + strength * log prior,

where strength 1 is that rule, 0 leaves the picture alone, and what lies between trusts the prior
less. A log prior is finite: it makes a label less likely, and never impossible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from fieldguide.errors import PluginError, UsageError
from fieldguide.zeroshot.findings import FindingClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from fieldguide.results import Guess
    from fieldguide.specs import DomainSpec
    from fieldguide.taxonomy.tree import Tree

    Floats = TypeVar("Floats", np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The labels that a prior is asked about.

    Attributes:
        labels: C names.
        tree: they belong to; None where they are names alone.
        nodes: (C,) int32, their places in the tree; None without one.
    """

    labels: Sequence[str]
    tree: Tree | None = None
    nodes: NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What is known beside one image.

    Attributes:
        log_prior: (C,) float32 of the candidates, finite, in nats; only differences count. None
            where nothing is known.
        why: from what it follows, or why nothing is known; for people.
    """

    log_prior: NDArray[np.float32] | None
    why: str

    def told(self, guess: Guess) -> Guess:
        """Return a guess that also tells this."""
        return replace(guess, why="; ".join(filter(None, (guess.why, self.why))))


class Prior(Protocol):
    """What is known of some candidates; images of one place and season share a belief."""

    def belief(self, metadata: Mapping[str, Any]) -> Belief:
        """Return what is known beside an image.

        Args:
            metadata: of its row: what the file says of itself, and its manifest.
        """
        ...


class PriorSource(Protocol):
    """Where priors come from, such as a table of occurrences."""

    @property
    def strength(self) -> float:
        """The factor of the log prior: 0 for no effect, 1 to trust it as it is."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the record of a job notes of it."""
        ...

    def for_labels(self, candidates: Candidates) -> Prior:
        """Return the prior of some candidates; what can be computed once is."""
        ...


@runtime_checkable
class KnowsRegions(Protocol):
    """A :class:`PriorSource` that knows which taxa a region has."""

    def taxa_in(self, tree: Tree, region: str) -> NDArray[np.integer]:
        """Return the taxa of a tree that are known from a region, ascending.

        Raises:
            UsageError: there is no such region, or it has no taxon of the tree.
        """
        ...


@dataclass(frozen=True)
class Boost:
    """Adds what a prior says to the logits of one run.

    Attributes:
        prior: of the run's labels.
        strength: not negative.
        count: how many labels there are.
    """

    prior: Prior
    strength: float
    count: int

    @classmethod
    def of(cls, source: PriorSource, candidates: Candidates) -> Boost:
        """Return the boost of some candidates.

        Raises:
            UsageError: the strength makes no sense.
        """
        check_strength(source.strength)
        return cls(source.for_labels(candidates), source.strength, len(candidates.labels))

    def beliefs(self, rows: Sequence[Mapping[str, Any]]) -> list[Belief]:
        """Return what is known beside each image, by the metadata of its row.

        Raises:
            PluginError: a log prior has another length, or numbers that are not finite.
        """
        found = [self.prior.belief(row) for row in rows]
        checked: set[int] = set()
        for belief in found:
            if belief.log_prior is not None and id(belief.log_prior) not in checked:
                self._check(belief.log_prior)
                checked.add(id(belief.log_prior))
        return found

    def add(
        self,
        logits: NDArray[Floats],
        beliefs: Sequence[Belief],
        part: slice = slice(None),
    ) -> NDArray[Floats]:
        """Return logits with the log priors; those without a prior stay what they are.

        Args:
            logits: (N, K) of K of the labels; they are not changed.
            beliefs: N, as :meth:`beliefs` returns them.
            part: which K of the labels, where they are taken in parts.

        Returns:
            (N, K) of the same type.
        """
        if self.strength == 0:
            return logits
        boosted = logits.copy()
        for row, belief in zip(boosted, beliefs, strict=True):
            if belief.log_prior is not None:
                row += np.asarray(self.strength * belief.log_prior[part], logits.dtype)
        return boosted

    def added(self, beliefs: Sequence[Belief]) -> NDArray[np.float32]:
        """Return what is added to the logits of N images: 0 where nothing is known.

        Returns:
            (N, C), or (1, C) where it is the same for all of them.
        """
        distinct = {id(belief.log_prior): belief.log_prior for belief in beliefs}
        rows = [belief.log_prior for belief in beliefs]
        some = rows[:1] if len(distinct) == 1 else rows
        found = np.zeros((len(some), self.count), np.float32)
        for row, log_prior in zip(found, some, strict=True):
            if log_prior is not None:
                row += np.float32(self.strength) * log_prior
        return found

    def _check(self, log_prior: NDArray[np.float32]) -> None:
        if log_prior.shape != (self.count,):
            raise PluginError(
                f"A prior says something of {log_prior.shape} labels, and there are {self.count}. "
                "Report this to its author."
            )
        if not np.isfinite(log_prior).all():
            raise PluginError(
                "A log prior has infinite or missing values, which would make labels impossible. "
                "Report this to its author."
            )


def check_strength(strength: float) -> None:
    """Raise UsageError unless a strength is a finite number from 0 on."""
    if not (math.isfinite(strength) and strength >= 0):
        raise UsageError(
            f"The strength of a prior is {strength}. Give 0 (no effect), 1 (as it is), or a "
            "number from 0 on."
        )


def prior_facts(source: PriorSource | None) -> dict[str, Any]:
    """Return what the record of a job says of its prior; nothing where it has none."""
    return {} if source is None else {"prior": dict(source.facts)}


def refuse_prior(source: PriorSource | None, classifier: object, cut: object) -> None:
    """Raise UsageError where a prior is asked for and cannot have a say.

    Args:
        source: what is asked for; None for no prior.
        classifier: of labels of which one holds, or of findings.
        cut: into windows; None where whole pictures are classified.
    """
    if source is None:
        return
    if cut is not None:
        raise UsageError(
            "A prior, such as one of place and season, is for whole pictures. Leave --window or "
            "the options of the prior out."
        )
    if isinstance(classifier, FindingClassifier):
        raise UsageError(
            "A prior makes one of several labels more likely, and findings are judged each on its "
            "own. Leave the options of the prior out."
        )


def regions_of(source: PriorSource | None) -> Callable[[Tree, str], NDArray[np.integer]] | None:
    """Return what tells the taxa of a region, where a source does."""
    return source.taxa_in if isinstance(source, KnowsRegions) else None


def split_options(
    domain: DomainSpec, options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of a domain that change how images are read, and those of its prior."""
    of_prior = {option.name for option in domain.options if option.of_prior}
    reading = {name: value for name, value in options.items() if name not in of_prior}
    return reading, {name: value for name, value in options.items() if name in of_prior}


def prior_of(domain: DomainSpec, options: Mapping[str, Any]) -> PriorSource | None:
    """Return the prior that a domain makes of the options a user named; None without any.

    Raises:
        UsageError: an option makes no sense.
        MissingExtraError: a package is missing.
    """
    if domain.prior is None or not options:
        return None
    source: PriorSource | None = domain.import_target(domain.prior)(**options)
    return source
