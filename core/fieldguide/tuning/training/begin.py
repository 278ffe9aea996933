"""From what a user says of a training to its run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.errors import UsageError
from fieldguide.tuning.training.requests import make_request
from fieldguide.tuning.training.run import tune

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fieldguide.guides import Guide
    from fieldguide.tuning.training.run import Outcome


def begin(
    guide: Guide,
    manifest: str | Path,
    output: str | Path | None,
    method: str,
    settings: Mapping[str, Any],
    tell: Callable[[str], object],
) -> Outcome:
    """Sort the settings, name the adapter's folder and train; arguments as of ``Guide.tune``.

    Raises:
        UsageError: the guide has an adapter, the method is no way of tuning, or a setting is none.
    """
    if guide.adapter is not None:
        raise UsageError(
            "A training begins with a base model: leave --adapter out. Two adapters of one "
            "base are added by 'fieldguide adapters combine'."
        )
    spec = guide.catalog.methods[method]
    if spec.role != "tuner":
        raise UsageError(f"{method!r} is a {spec.role}, no way of tuning. Name a --method.")
    name, private = Path(manifest).absolute().stem, guide.private
    if private is not None:
        private.typed(str(manifest))
        name, say = guide.domain.name, tell

        def tell(line: str) -> object:
            return say(private.scrub(line))

    request, tuner = make_request(method, spec.load(), settings)
    place = Path(f"{name}_{method}" if output is None else output)
    return tune(guide, manifest, place, request, tuner, tell)
