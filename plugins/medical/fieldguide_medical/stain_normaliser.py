"""The options ``--stain`` and ``--stain-target``: which method, and what pictures shall look like.

A tile is normalised by its own colours. Windows of a slide are normalised by those of the slide,
found once from a sample of its windows: a window of fat or of lymphocytes has other amounts of the
dyes because it is other tissue, and its own statistics would take that difference away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fieldguide.data.images import ImageLoader
from fieldguide.errors import ContractError, InputError, UnknownNameError, UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.samples import RGB, SRGB8, Sample
from fieldguide_medical.stain_density import NotStainedError, Pixels
from fieldguide_medical.stain_macenko import Dyes, Macenko
from fieldguide_medical.stain_reinhard import Colours, Reinhard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fieldguide.data.pipeline import Normaliser

TARGETS = Path(__file__).with_name("stain_targets.yaml")


class Method(Protocol):
    """Finds out how pixels are stained, and returns what restains them."""

    def fit(self, pixels: Pixels) -> Callable[[Pixels], Pixels]:
        """Return what restains pixels that were stained as these were.

        Raises:
            NotStainedError: they do not tell.
        """
        ...


METHODS: Mapping[str, type[Macenko | Reinhard]] = {"macenko": Macenko, "reinhard": Reinhard}
"""What ``--stain`` can name."""


def make_normaliser(stain: str | None = None, stain_target: str | None = None) -> Normaliser:
    """Return what normalises the stain of pictures.

    Args:
        stain: a method of ``METHODS``.
        stain_target: a picture that all shall look like; by default published values.

    Raises:
        UsageError: a target without a method, an unknown method, or a target that cannot be used.
    """
    if stain is None:
        raise UsageError("--stain-target is for a stain normalisation: name a --stain too.")
    if stain not in METHODS:
        raise UnknownNameError(f"No stain method {stain!r}. There are: {', '.join(METHODS)}.")
    if stain_target is None:
        return StainNormaliser(stain, _published()[stain])
    try:
        target = ImageLoader()(Path(stain_target))
        return StainNormaliser(stain, METHODS[stain].like(_pixels(target)))
    except (InputError, NotStainedError) as error:
        raise UsageError(
            f"The stain target {stain_target} cannot be used: {error}. Name a tile of tissue "
            "stained with H&E as --stain-target."
        ) from error


@dataclass(frozen=True)
class StainNormaliser:
    """Restains pictures as a repair by name, or leaves them with a note.

    Attributes:
        name: of the method.
        method: with its target.
    """

    name: str
    method: Method

    def __call__(self, whole: Sample) -> Callable[[Sample], Sample]:
        """Return what restains a picture, or the windows of a slide of which it is a sample.

        Raises:
            ContractError: it is not an 8-bit RGB picture.
        """
        try:
            restain = self.method.fit(_pixels(whole))
        except NotStainedError as error:
            note = f"its stain was not normalised: {error}; look at it before you trust the answer"
            return lambda part: replace(part, notes=(*part.notes, note))
        return lambda part: part.repaired(f"stain_{self.name}", array=restain(part.array))


def _pixels(sample: Sample) -> Pixels:
    """Return the valid pixels (N, 3) of a sample."""
    if sample.bands != RGB or sample.units != SRGB8:
        raise ContractError(
            "it is not an 8-bit RGB picture, so it has no stain to normalise. Leave --stain out"
        )
    pixels: Pixels = sample.array.reshape(-1, 3)
    return pixels if sample.valid is None else pixels[sample.valid.ravel()]


def _published() -> Mapping[str, Method]:
    values = load_yaml(TARGETS)
    return {
        "macenko": Macenko(Dyes.model_validate(values["macenko"])),
        "reinhard": Reinhard(Colours.model_validate(values["reinhard"])),
    }
