"""What can be said of one adapter: its files, its base, versions, effect, exactness and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide.doctor.checks import Check, size_text
from fieldguide.doctor.software import installed_version
from fieldguide.errors import FieldguideError
from fieldguide.models.tunable import network_digest
from fieldguide.tuning.adapter_choice import check_terms, load_base
from fieldguide.tuning.adapter_files import load_adapter
from fieldguide.tuning.attach import attach, check_fits
from fieldguide.tuning.effect import measure_effect
from fieldguide.tuning.shelf import own_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fieldguide.models.tunable import Tunable
    from fieldguide.plugins import Catalog
    from fieldguide.tuning.adapter import Adapter
    from fieldguide.tuning.effect import Effect, Moved

EXACT = 1e-5
"""A merged adapter may differ by this much, in an element of a unit vector, from one beside."""

AGAIN = "train it again, or get it again from its source"


def adapter_checks(name: str, catalog: Catalog, model: str | None = None) -> Iterator[Check]:
    """Yield the findings about an adapter; the first that fails ends them.

    Args:
        name: a registry name, folder or zip.
        catalog: whose registry knows adapters and models.
        model: the base model, when not where the adapter says.
    """
    try:
        adapter = load_adapter(name, catalog)
        yield Check("files", "ok", f"{adapter.config.name}: hashes are right; digest "
                    f"{adapter.digest[:12]}")  # fmt: skip
        check_terms(adapter)
        yield _licence(adapter)
        yield _versions(adapter)
        encoder = load_base(adapter, catalog, model)
        check_fits(encoder, adapter)
        yield Check("base model", "ok", f"{encoder.space.model}: weights and input contract are "
                    "those it was made for")  # fmt: skip
        yield _network(encoder, adapter)
        if adapter.changes:
            yield from _effect(encoder, adapter)
        if adapter.classifier is not None:
            yield Check("effect", "ok", f"a probe of {len(adapter.classifier.labels)} labels; the "
                        "vectors are those of the base")  # fmt: skip
    except FieldguideError as error:
        found, _, fix = " ".join(str(error).split()).partition("Run: ")
        yield Check("adapter", "fail", found.strip(), fix or AGAIN)


def _licence(adapter: Adapter) -> Check:
    config = adapter.config
    parts = [config.licence]
    parts += ["for research use only"] if config.research_only else []
    parts += [f"limits: {config.licence_limits}"] if config.licence_limits else []
    return Check("licence", "ok", "; ".join(parts))


def _versions(adapter: Adapter) -> Check:
    stated = adapter.config.versions
    if not stated:
        return Check("versions", "ok", "none are stated")
    here = {name: installed_version(name) for name in stated}
    other = [f"{name} {stated[name]} there, {here[name] or 'none'} here" for name in stated
             if here[name] != stated[name]]  # fmt: skip
    if other:
        return Check("versions", "warn", f"it was made with others: {'; '.join(other)}",
                     "measure it again here: fieldguide evaluate MANIFEST --adapter A")  # fmt: skip
    return Check("versions", "ok", ", ".join(f"{name} {known}" for name, known in stated.items()))


def _network(encoder: Tunable, adapter: Adapter) -> Check:
    if network_digest(encoder.network) == adapter.config.base.network:
        return Check("base tensors", "ok", "the same as when it was trained, to the last bit")
    return Check("base tensors", "fail", "parameters or buffers of the base are not those it was "
                 "trained on, though its files are", AGAIN)  # fmt: skip


def _effect(encoder: Tunable, adapter: Adapter) -> Iterator[Check]:
    config = adapter.config
    there = encoder.with_network(encoder.network, contract=config.contract)
    effect = measure_effect(there, adapter.changes)
    towers = [name for name, moved in (("images", effect.image_change),
                                       ("texts", effect.text_change)) if moved.is_any]  # fmt: skip
    yield Check("effect", "ok", f"it changes {' and '.join(towers)}: images by "
                f"{_said(effect.image_change)}, texts by {_said(effect.text_change)}")  # fmt: skip
    yield _merge(effect)
    tuned = attach(encoder, adapter, strength=1.0)
    whole = sum(p.numel() * p.element_size() for p in encoder.network.parameters())
    yield Check("memory", "ok", f"{effect.trainable_parameters:,} numbers, "
                f"{size_text(effect.bytes)}; merged {size_text(own_bytes(tuned, encoder))} beside "
                f"the base's {size_text(whole)}")  # fmt: skip
    if config.strength == 0:
        yield Check("strength", "warn", "its picked strength is 0, so it is used as the base",
                    "name one: --strength 0.5")  # fmt: skip
    else:
        yield Check("strength", "ok", f"{config.strength:g} of 1")


def _merge(effect: Effect) -> Check:
    found = f"differs by at most {effect.merge_error:.1e} from computing it beside the base"
    if effect.merge_error <= EXACT:
        return Check("merge", "ok", found)
    return Check("merge", "fail", f"{found}, more than {EXACT:g}",
                 "report this line, with the model's name")  # fmt: skip


def _said(moved: Moved) -> str:
    if not moved.is_any:
        return "nothing"
    return f"{moved.mean:.2g} in mean and {moved.largest:.2g} at most (cosine distance)"
