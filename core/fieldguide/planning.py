"""How a job's items are read and by which model they are encoded."""

from __future__ import annotations

import datetime
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fieldguide.data.pipeline import Batch, Reader, encode_items
from fieldguide.data.routing import (
    RoutedReader,
    find_modality,
    fitting,
    group_by_modality,
    loader_specs,
    make_loaders,
)
from fieldguide.errors import AmbiguousNameError, ScopeError
from fieldguide.models.computing import ImageSide, OwnSide, image_side
from fieldguide.models.load import covers, load_encoder, pick_model
from fieldguide.models.text_cache import cache_texts
from fieldguide.progress import progress_bar
from fieldguide.runtime import Runtime
from fieldguide.tuning.attach import attach_for_work, require_tunable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Normaliser
    from fieldguide.models.embeddings import Encoder
    from fieldguide.plugins import Catalog
    from fieldguide.privacy.names import PrivateNames
    from fieldguide.registry import ModelRecord
    from fieldguide.specs import DomainSpec, LoaderSpec, ModalitySpec
    from fieldguide.tuning.adapter import Adapter


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Plan:
    """How the items of one job are read and encoded.

    Attributes:
        modality: the one that has a model; None when every item is refused.
        record: the model's record.
        encoder: the model.
        refusals: why items of other modalities are refused, by modality.
        batch_size: images a step of the model.
        computing: by which backend and in which precision the images are encoded, and why.
        started_at: when the job was planned, UTC.
    """

    reader: RoutedReader
    modality: ModalitySpec | None
    record: ModelRecord | None
    encoder: Encoder | None
    refusals: Mapping[str, str]
    batch_size: int = 1
    computing: Mapping[str, Any] = field(default_factory=dict)
    started_at: str = field(default_factory=_now)

    def encode(self, items: Sequence[Item], runtime: Runtime) -> Iterator[Batch]:
        """Load, prepare and encode items in batches, with a progress bar where it is wanted."""
        batches = encode_items(
            items,
            self.reader,
            self.encoder,
            batch_size=self.batch_size,
            workers=runtime.workers,
        )
        with (
            closing(self.reader),
            progress_bar(len(items), "image", shown=runtime.progress) as bar,
        ):
            for batch in batches:
                yield batch
                bar.update(len(batch.rows))


@dataclass
class Planner:
    """Plans the jobs of one domain; models that were built are kept.

    Attributes:
        modality: the modality the user named, or None.
        model: the model the user named, or None.
        options: the domain's options.
        out_of_scope: whether a model may be used on what it was not made for.
        runtime: backend, precision and batch size.
        adapter: what is put on every model, at its picked strength; None for nothing.
        private: keeps names out of rows where the domain's sources are private.
    """

    catalog: Catalog
    domain: DomainSpec
    device: torch.device
    modality: ModalitySpec | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    out_of_scope: bool = False
    runtime: Runtime = field(default_factory=Runtime)
    adapter: Adapter | None = None
    private: PrivateNames | None = None
    _bases: dict[str, Encoder] = field(default_factory=dict)
    _encoders: dict[str, Encoder] = field(default_factory=dict)
    _sides: dict[str, ImageSide | OwnSide] = field(default_factory=dict)

    def plan(self, items: Sequence[Item], *, thumbnails: bool) -> Plan:
        """Group the items by modality, find the one model that covers them and make readers.

        Raises:
            AmbiguousNameError: an item fits several modalities, or several have models.
        """
        groups = self._groups(items)
        records, refusals = self._records([name for name in groups if name])
        if len(records) > 1:
            raise AmbiguousNameError(
                f"The inputs are of {len(records)} kinds: {', '.join(records)}. Run once for each: "
                f"--modality {next(iter(records))}"
            )
        name, record = next(iter(records.items()), (None, None))
        readers = {}
        for group, members in groups.items():
            has_model = record if group == name else None
            readers[group] = self._reader(
                group, members, has_model, refusals.get(group), thumbnails=thumbnails
            )
        modality_of = {item.id: group for group, members in groups.items() for item in members}
        modality = None if name is None else find_modality(self.domain, name)
        reader = RoutedReader(readers, modality_of)
        if name is None or record is None:
            return Plan(reader, modality, record, None, refusals)
        job = self.image_side(record).for_job(len(groups[name]), self.runtime.batch_size)
        return Plan(reader, modality, record, job.encoder, refusals, job.batch_size, job.facts)

    def text_plan(self) -> Plan:
        """Return the plan of a job without images, such as one on vectors that were stored.

        Raises: as :meth:`text_model`.
        """
        modality, record = self.text_model()
        return Plan(RoutedReader({}, {}), modality, record, self.encoder(record), {})

    def sized(self, plan: Plan, count: int) -> Plan:
        """Return a plan for so many images of its modality: a file may have many windows."""
        if plan.record is None:
            return plan
        job = self.image_side(plan.record).for_job(count, self.runtime.batch_size)
        return replace(plan, encoder=job.encoder, batch_size=job.batch_size, computing=job.facts)

    def base(self, record: ModelRecord) -> Encoder:
        """Return the model of a record without an adapter, built at the first call."""
        if record.name not in self._bases:
            self._bases[record.name] = load_encoder(record, self.catalog, self.device)
        return self._bases[record.name]

    def encoder(self, record: ModelRecord) -> Encoder:
        """Return the model of a record, with the adapter on it, built at the first call.

        Raises:
            AdapterError: the adapter was made for another model, or has no effect.
        """
        if record.name not in self._encoders:
            encoder = self.base(record)
            if self.adapter is not None:
                encoder = attach_for_work(require_tunable(encoder), self.adapter)
            self._encoders[record.name] = cache_texts(encoder)
        return self._encoders[record.name]

    def with_adapter(self, adapter: Adapter, model: str) -> Planner:
        """Return a planner with an adapter; models that were built are shared."""
        return replace(self, adapter=adapter, model=model, _encoders={}, _sides={})

    def image_side(self, record: ModelRecord) -> ImageSide | OwnSide:
        """Return what runs the images of a record's model."""
        if record.name not in self._sides:
            self._sides[record.name] = image_side(
                self.encoder(record),
                self.catalog.backends[self.runtime.backend],
                self.runtime.precision,
            )
        return self._sides[record.name]

    def text_model(self) -> tuple[ModalitySpec, ModelRecord]:
        """Return the modality and model for a job without images.

        Raises:
            ScopeError: no model covers any modality.
            AmbiguousNameError: several do.
        """
        usual = [modality for modality in self.domain.modalities if modality.fits_by_suffix]
        choices = [self.modality] if self.modality else usual or list(self.domain.modalities)
        records, refusals = self._records([modality.name for modality in choices])
        if not records:
            raise ScopeError(" ".join(refusals.values()))
        if len({record.name for record in records.values()}) > 1:
            raise AmbiguousNameError(
                f"The domain {self.domain.name!r} has models for {', '.join(records)}. Say which: "
                f"--modality {next(iter(records))}"
            )
        name, record = next(iter(records.items()))
        return find_modality(self.domain, name), record

    def reader_of(self, item: Item) -> Reader:
        """Return the reader of one item, without a model."""
        (name,) = self._groups([item])
        return self._reader(name, [item], None, None, thumbnails=False)

    def modality_of(self, item: Item) -> ModalitySpec | None:
        """Return the modality of one item; None when the domain reads no such files.

        Raises:
            AmbiguousNameError: it can be of several.
        """
        (name,) = self._groups([item])
        return find_modality(self.domain, name) if name else None

    def all_loader_specs(self) -> list[LoaderSpec]:
        """Return the loaders of the named modality, or of all modalities of the domain."""
        modalities = [self.modality] if self.modality else self.domain.modalities
        specs = [spec for m in modalities for spec in loader_specs(m, self.catalog)]
        return list({spec.name: spec for spec in specs}.values())

    def _groups(self, items: Sequence[Item]) -> dict[str, list[Item]]:
        if self.modality is not None:
            return {self.modality.name: list(items)}
        return group_by_modality(items, self.domain, self.catalog)

    def _records(self, names: Sequence[str]) -> tuple[dict[str, ModelRecord], dict[str, str]]:
        records: dict[str, ModelRecord] = {}
        refusals: dict[str, str] = {}
        for name in names:
            modality = find_modality(self.domain, name)
            try:
                records[name] = pick_model(
                    modality, self.catalog, name=self.model, out_of_scope=self.out_of_scope,
                    scope=None if self.adapter is None else self.adapter.config.scope,
                )  # fmt: skip
            except ScopeError as error:
                refusals[name] = str(error)
        return records, refusals

    def _reader(
        self,
        name: str,
        items: Sequence[Item],
        record: ModelRecord | None,
        refusal: str | None,
        *,
        thumbnails: bool,
    ) -> Reader:
        if not name:  # no modality reads such files; the reader says so of each
            specs = self.all_loader_specs()
            return Reader({}, specs, None, private=self.private, elsewhere=self._elsewhere)
        modality = find_modality(self.domain, name)
        in_scope = record is None or covers(record, modality)
        specs = loader_specs(modality, self.catalog)
        return Reader(
            loaders=make_loaders(items, specs, self.options),
            specs=specs,
            contract=None if record is None else self.encoder(record).contract,
            repairs=modality.repairs,
            check=modality.import_target(modality.check) if modality.check else None,
            preview=modality.import_target(modality.preview) if modality.preview else None,
            refusal=refusal,
            mark="ok" if in_scope else "out_of_scope",
            thumbnails=thumbnails,
            private=self.private,
            normaliser=self._normaliser(modality),
            elsewhere=self._elsewhere,
        )

    def _elsewhere(self, item: Item) -> list[str]:
        """Return the options with which a file is read: another modality, else another domain."""
        own = fitting(item, self.domain, self.catalog)
        if own:
            return [f"--modality {modality.name}" for modality in own]
        domains = self.catalog.domains.values()
        return [f"--domain {d.name}" for d in domains if fitting(item, d, self.catalog)]

    def _normaliser(self, modality: ModalitySpec) -> Normaliser | None:
        """Return what the user asked for by options of the modality's normaliser, if anything."""
        names = modality.normaliser_options
        options = {name: self.options[name] for name in names if name in self.options}
        if modality.normaliser is None or not options:
            return None
        made: Normaliser = modality.import_target(modality.normaliser)(**options)
        return made
