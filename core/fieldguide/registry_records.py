"""The records of a registry: checkpoints, adapters, architectures, data sets, published results."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fieldguide.contract import InputContract
from fieldguide.errors import RegistryError
from fieldguide.registry_files import CoreText, HubFile, HubName, Relative, Url, WeightFile
from fieldguide.specs import Name, Record

Licence = Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$")]
Availability = Literal["ready", "downloads", "unsupported"]


class ModelRecord(Record):
    """One checkpoint.

    Attributes:
        architecture: name of a ModelSpec; of an unsupported model, the one that would run it.
        embed_dim: length of its vectors; None where only the loaded model knows.
        image_size_px: side of its input; None where only the loaded model knows.
        context_length: how many tokens of a text it reads; None where not stated.
        scope: modalities it was made for; "any" for a user's own model that does not say. An
            unsupported model may have been made for none that is offered.
        licence: of the weights, as SPDX names it, or ``LicenseRef-`` and a name.
        licence_limits: what one may not do with the weights, in plain words; empty when the
            licence sets no limits beyond naming its authors.
        research_only: True when the weights may be used for research or non-commercially only.
        gated: True when the hub asks to accept the licence before it gives the files.
        size_bytes: of the weights as they are downloaded; None where not known.
        contract: what its source says it takes; compared with the loaded model's own.
        files: weights by role, as the architecture names them.
        settings: what the architecture needs to know beside the weights.
        text_type: which names of taxa its captions had in training, as the domain's
            ``label_texts`` calls them; None where it had none, and for what is usual.
        unsupported: why this release cannot run it and where its own code is; empty when it can.
        card: a text that says what it is, where from and how good; beside the registry, or
            ``{core: path}`` inside the core's package.
    """

    name: Name
    summary: str
    architecture: Name
    embed_dim: int | None = Field(default=None, ge=1)
    image_size_px: int | None = Field(default=None, ge=1)
    context_length: int | None = Field(default=None, ge=1)
    scope: tuple[Name, ...]
    licence: Licence
    licence_limits: str = ""
    licence_file: Relative | None = None
    research_only: bool = False
    gated: bool = False
    size_bytes: int | None = Field(default=None, ge=1)
    contract: InputContract | None = None
    source: Url | None = None
    card: Relative | CoreText | None = None
    trained_on: tuple[Name, ...] = ()
    files: dict[str, WeightFile] = Field(default={})
    settings: dict[str, Any] = Field(default={})
    text_type: Name | None = None
    unsupported: str = ""
    origin: str = Field(default="", description="folder of the registry file; set by the reader")

    @model_validator(mode="after")
    def _research_weights_carry_their_licence(self) -> Self:
        on_hub = all(isinstance(weight, HubFile) for weight in self.files.values())
        if self.research_only and self.licence_file is None and not (on_hub and self.source):
            raise ValueError(
                "research_only weights need a licence_file, or a source when all their files are "
                "on the hub"
            )
        return self

    @model_validator(mode="after")
    def _scope_is_known_where_it_can_run(self) -> Self:
        if not self.scope and not self.unsupported:
            raise ValueError("scope is empty; name the modalities the model was made for")
        return self

    @property
    def availability(self) -> Availability:
        """Whether it is ready without a network, downloads its weights, or needs other code."""
        if self.unsupported:
            return "unsupported"
        on_hub = any(isinstance(weight, HubFile) for weight in self.files.values())
        return "downloads" if on_hub or {"hub", "pretrained"} & set(self.settings) else "ready"

    @property
    def hubs(self) -> tuple[HubName, ...]:
        """The hub repositories it downloads from, as far as the record names them."""
        named = [weight.hub for weight in self.files.values() if isinstance(weight, HubFile)]
        if hub := self.settings.get("hub"):
            named.append(hub)
        return tuple(dict.fromkeys(named))

    def stated(self, field: Literal["embed_dim", "image_size_px"]) -> int:
        """Return a size that the architecture cannot do without.

        Raises:
            RegistryError: the record does not state it.
        """
        value: int | None = getattr(self, field)
        if value is None:
            raise RegistryError(
                f"The model record {self.name!r} needs the field {field}. Edit your registry."
            )
        return value


class AdapterRecord(Record):
    """One adapter that is installed with a plugin or named by the user.

    Attributes:
        base_model: name of the model record that it changes.
        method: that trained it, such as "lora".
        weights: its ``adapter.json``, which holds the SHA-256 of all its other files, or a .zip of
            ``fieldguide adapters export``.
        scope: modalities it was made for.
        licence: of the adapter's weights, as SPDX names it, or ``LicenseRef-`` and a name.
        licence_limits: what one may not do with them, in plain words; empty for no limits.
        research_only: True when they may be used for research or non-commercially only.
        card: a text that says what it is, where from and how good; beside the registry.
    """

    name: Name
    summary: str
    base_model: Name
    method: Name = "lora"
    weights: WeightFile
    scope: tuple[Name, ...] = Field(min_length=1)
    licence: Licence
    licence_limits: str = ""
    licence_file: Relative | None = None
    research_only: bool = False
    source: Url | None = None
    card: Relative | CoreText | None = None
    trained_on: tuple[Name, ...] = ()
    origin: str = Field(default="", description="folder of the registry file; set by the reader")

    @model_validator(mode="after")
    def _research_weights_carry_their_licence(self) -> Self:
        if self.research_only and self.licence_file is None:
            raise ValueError("research_only adapters need a licence_file")
        return self


class ArchitectureRecord(Record):
    """A network without weights, as the configuration that its ModelSpec reads."""

    name: Name
    summary: str
    spec: Name = Field(description="name of a ModelSpec")
    config: dict[str, Any]


class DatasetRecord(Record):
    """One data set: where it comes from and under which licence.

    Attributes:
        title: as its papers and the published results write it.
        classes: how many.
        splits: images by split.
        overlaps: other sets of which it holds images.
        images: how many in all; None where not known.
        size_bytes: of what is downloaded; None where not known.
        download: address where it is got.
        layout: the folders and files that a benchmark expects under --root, a line each.
        how_to_get: commands to type, or steps where the owners want it got by hand.
    """

    name: Name
    summary: str
    licence: str
    source: Url
    modality: Name
    title: str = ""
    overlaps: tuple[Name, ...] = ()
    classes: int | None = Field(default=None, ge=1)
    splits: dict[str, int] = Field(default={})
    images: int | None = Field(default=None, ge=1)
    size_bytes: int | None = Field(default=None, ge=1)
    download: Url | None = None
    layout: tuple[str, ...] = ()
    how_to_get: tuple[str, ...] = ()


Unit = Literal["percent", "fraction", "percentage_points", "ratio", "count"]
Trust = Literal["verified", "secondary", "memory"]
TRUST_MEANS: dict[str, str] = {
    "verified": "read in the authors' own table, site or figure",
    "secondary": "read in another source that cites the paper",
    "memory": "not checked; look it up before citing",
}


class ReferenceRecord(Record):
    """One published figure, with what one has to know before comparing with it.

    Attributes:
        model: the registry's record of exactly this checkpoint, or None.
        model_label: the model as its source names it, with its backbone where stated.
        dataset: the whole data set, as its source names it; never a subset of ours.
        metric: the field's standard term.
        value: in ``unit``.
        interval: lower and upper end of the 95 % interval, in ``unit``.
        protocol: what counts: captions an image, size of the pool, normalisation, best-of-K ...
        benchmark: name of the BenchmarkSpec that measures in the same way, or None; only with such
            a one may it be compared.
        source: address of the table, paper or thread.
        trust: how the figure came here; :data:`TRUST_MEANS` says it in words.
        note: what misleads when the figure is compared.
    """

    name: Name
    model: Name | None = None
    model_label: str = Field(min_length=1)
    dataset: str = Field(min_length=1)
    metric: Name
    unit: Unit
    value: float
    interval: tuple[float, float] | None = None
    protocol: str = Field(min_length=1)
    benchmark: Name | None = None
    source: Url
    trust: Trust
    note: str = ""

    @model_validator(mode="after")
    def _the_value_fits_its_unit(self) -> Self:
        low, high = self.interval or (self.value, self.value)
        if not low <= self.value <= high:
            raise ValueError(f"the value {self.value} lies outside its interval")
        top = {"percent": 100.0, "fraction": 1.0}.get(self.unit)
        if top is not None and not 0 <= low <= high <= top:
            raise ValueError(f"{self.value} is no {self.unit}: 0 to {top:g}")
        return self
