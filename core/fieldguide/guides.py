"""Guide: the front door for Python users; one object a domain.

The module is not named ``guide``: importing a submodule of that name would replace the public
function ``fieldguide.guide``.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tqdm

from fieldguide.data.embedding_file import EmbeddingFile
from fieldguide.data.inputs import Item, filter_row, find_items
from fieldguide.data.pipeline import Batch, encode_items
from fieldguide.data.routing import RoutedReader, find_modality
from fieldguide.data.store_job import Filled, fill
from fieldguide.data.stored import EMBEDDING_SUFFIX, stored_batches, stored_path
from fieldguide.errors import UsageError
from fieldguide.models.device import choose_device
from fieldguide.models.load import lasting_name
from fieldguide.planning import Plan, Planner
from fieldguide.plugins import Catalog, get_catalog
from fieldguide.privacy.domains import (
    PATHS,
    names_fact,
    names_of,
    require_same_names,
)
from fieldguide.privacy.names import names_kept_out
from fieldguide.privacy.options import meant_options
from fieldguide.results import Predictions, StoreReport
from fieldguide.retrieval.where import matches, parse_where
from fieldguide.runtime import AUTO, TORCH, Precision, Runtime
from fieldguide.tuning.adapter_choice import base_model, choose_adapter, require_vectors
from fieldguide.writers.history import rows_written_by
from fieldguide.writers.provenance import make_provenance, write_provenance
from fieldguide.zeroshot.by_windows import WindowJob, choose_cut
from fieldguide.zeroshot.choose import Asked, Classifier, make_classifier
from fieldguide.zeroshot.class_sets import bare, load_class_set
from fieldguide.zeroshot.classify import check_range, classify_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from fieldguide.benchmarks.classification import Evaluation
    from fieldguide.benchmarks.findings import FindingsEvaluation, Scored
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.localization.result import Regions
    from fieldguide.models.embeddings import Embeddings
    from fieldguide.retrieval.index import Index
    from fieldguide.samples import Sample
    from fieldguide.tuning.adapter import Adapter
    from fieldguide.tuning.training.run import Outcome
    from fieldguide.zeroshot.calibration import Calibration
    from fieldguide.zeroshot.top_k_pooling import Pooling

    AdapterName = str | Path | Adapter | None

GENERAL = "general"
KEEP_ALL = 1_000_000


class Guide:
    """Classifies, embeds, indexes and evaluates the images of one domain.

    Args:
        domain: name of an installed domain; by default that of the adapter, or "general".
        modality: name of one of its modalities; by default found by the files.
        model: a registry name, ``hf-hub:org/name``, an open_clip folder, or ``ARCHITECTURE:FILE``;
            by default the adapter's base, or the modality's own.
        adapter: a registry name, a folder or zip of ``fieldguide tune``, or one that was read.
        strength: of the adapter, 0 (the base) to 1 (as trained); by default the one it was given.
        options: the domain's options, such as ``{"assume_hu": True}``.
        out_of_scope: take the model's word on images it was not made for, every row marked.
        runtime: device, batch size, workers, progress, backend, precision.
        roots: folders of which manifests may name files, beside their own and the current one.
        show_paths: let results name files also where the domain keeps them private.
        show_columns: of manifests, whose values a private domain may show.

    Raises:
        UnknownNameError: no such domain, modality or adapter.
        AdapterError: the adapter is damaged, or its base model is not here.
    """

    def __init__(  # noqa: PLR0913 - the front door: each is one thing a user may say
        self,
        domain: str | None = None,
        *,
        modality: str | None = None,
        model: str | None = None,
        adapter: AdapterName = None,
        strength: float | None = None,
        options: Mapping[str, Any] | None = None,
        out_of_scope: bool = False,
        runtime: Runtime | None = None,
        roots: Sequence[str | Path] = (),
        show_paths: bool = False,
        show_columns: Sequence[str] = (),
        catalog: Catalog | None = None,
    ) -> None:
        self.catalog = catalog or get_catalog()
        self.roots = tuple(map(Path, roots))
        self.adapter = choose_adapter(adapter, strength, self.catalog)
        if self.adapter is not None:
            domain, model = domain or self.adapter.config.domain, model or self._base(self.adapter)
        self.domain = self.catalog.domains[domain or GENERAL]
        self.options = dict(options or {})
        self.runtime = runtime or Runtime()
        self.device = choose_device(self.runtime.device)
        self.private = None if show_paths else names_of(self.domain, show_columns)
        if self.private is not None:
            self.options = meant_options(self.private, self.domain, self.options)
        self.planner = Planner(
            catalog=self.catalog,
            domain=self.domain,
            device=self.device,
            modality=None if modality is None else find_modality(self.domain, modality),
            model=None if model is None else lasting_name(model, self.catalog),
            options=self.options,
            out_of_scope=out_of_scope,
            runtime=self.runtime,
            adapter=self.adapter,
            private=self.private,
        )

    def with_adapter(self, adapter: AdapterName, strength: float | None = None) -> Guide:
        """Return this guide with an adapter; the base model that was loaded is shared.

        Raises:
            AdapterError: it is damaged, or its base model is not here.
        """
        chosen = choose_adapter(adapter, strength, self.catalog)
        if chosen is None:
            raise UsageError("Name an adapter: a registry name, a folder or a zip.")
        other = copy.copy(self)
        other.adapter = chosen
        other.planner = self.planner.with_adapter(chosen, self.planner.model or self._base(chosen))
        return other

    def for_modality(self, name: str) -> Guide:
        """Return this guide for a modality where it has none; models that were built are shared.

        Raises:
            UnknownNameError: the domain has no such modality.
        """
        if self.planner.modality is not None:
            return self
        other = copy.copy(self)
        other.planner = replace(self.planner, modality=find_modality(self.domain, name))
        return other

    def keep_sources_beside(self, output: str | Path) -> None:
        """Keep what the ids of a private domain mean beside an output, not with the user.

        Raises:
            UsageError: the output has the name that is kept for the map.
        """
        if self.private is not None:
            self.private.keep_beside(Path(output))

    @names_kept_out
    def classify(  # noqa: PLR0913 - the front door
        self,
        inputs: Any,
        labels: Sequence[str] | None = None,
        *,
        classes: str | None = None,
        templates: Sequence[str] | None = None,
        threshold: float = 0.0,
        top: int | None = None,
        thumbnails: bool = False,
        calibration: str | Path | Calibration | None = None,
        window: str | int | None = None,
        overlap: float | None = None,
        pool: Pooling | None = None,
        vectors: str | Path | None = None,
    ) -> Predictions:
        """Say which label fits each image best, or which findings it has.

        Slides and other large sources are classified by their windows. A class set of findings has
        sentences for present and absent; each finding then has a probability of its own. See
        docs/findings.md.

        Args:
            inputs: paths, globs, folders, manifests, Pillow images, arrays, Samples, or an
                iterable of these; or one file of :meth:`embed`, whose vectors are used as they are.
            labels: two or more labels; by default those of the adapter, where it has any.
            classes: in place of labels, the name of a class set or a YAML file.
            templates: prompts, each with one ``{}``; by default those of the class set, adapter or
                modality.
            threshold: below this probability of the best label the answer is "none of these";
                findings below it are left out.
            top: how many labels are kept for each image; by default 5, or all findings.
            thumbnails: keep a small picture of each input, for HTML contact sheets.
            calibration: of findings, or its file: probabilities and thresholds are then its.
            window: side of windows, such as 224 or "112um": each file is then classified by its
                windows, resumable. Slides always are; by default by windows that the model takes.
            overlap: of neighbouring windows, as a part of their side; by default 0.
            pool: makes one score of those of windows; by default ``TopK(10)``.
            vectors: the folder in which ``FILE.windows`` keeps the vectors of windows, as for
                :meth:`locate`. By default the current one.

        Returns:
            One prediction an input, in their order; one that failed carries the reason. By windows
            they have a ``report`` with one row a source.

        Raises:
            UsageError: labels or inputs that make no sense.
        """
        check_range(threshold, top)
        plan, items, batches = self._batches(inputs, thumbnails=thumbnails)
        cut = choose_cut(plan, items, window=window, overlap=overlap, pool=pool, folder=vectors)
        classifier = self.classifier(
            plan, labels, classes=classes, templates=templates, calibration=calibration
        )
        if cut is not None:
            return WindowJob(self, plan, classifier, cut, top, threshold).run(items or [])
        rows = list(classify_batches(batches, classifier, top=top, threshold=threshold))
        offered = [] if classifier is None else list(classifier.labels)
        return Predictions(rows, self.provenance(plan, labels=offered, threshold=threshold))

    @names_kept_out
    def embed(self, inputs: Any, output: str | Path) -> StoreReport:
        """Write one vector an image into a Parquet file; resumable and incremental.

        A second call embeds only what is new or has changed. Rows whose file is gone stay.

        Raises:
            SpaceMismatchError: the file holds vectors of another model.
            StoreError: the file cannot be written, or another process writes it.
        """
        require_vectors(self.adapter)
        path = Path(output)
        if path.suffix.lower() != EMBEDDING_SUFFIX:
            raise UsageError(f"{path} must end in {EMBEDDING_SUFFIX}.")
        self.keep_sources_beside(path)
        items = self.find(inputs)
        plan = self.planner.plan(items, thumbnails=False)
        if plan.encoder is None:
            return self.report(path, plan, self.refuse_all(items, plan), total=0)
        with EmbeddingFile(path, plan.encoder.space, self.about(plan)) as sink:
            require_same_names(sink.about_before(), self.domain, self.private, path)
            filled = fill(sink, items, lambda todo: self.encode(todo, plan), self.options)
            total = sink.finish()
        return self.report(path, plan, filled, total)

    @names_kept_out
    def index(
        self,
        inputs: Any,
        folder: str | Path,
        *,
        windows: Sequence[str | int] = (),
        overlap: float | None = None,
    ) -> Index:
        """Embed images into an index that can be searched; resumable and incremental.

        Args:
            inputs: paths, globs, folders, manifests, Pillow images, arrays, or an iterable of
                these.
            folder: of the index, a new or an old one.
            windows: sides of windows, such as 224 or "600m"; every window of a large file is then
                a row with its place. By default a file is a row.
            overlap: of neighbouring windows, as a part of their side; by default 0.5.

        Raises:
            UsageError: an overlap without windows.
            SpaceMismatchError: the index was made with another model.
            StoreError: the folder cannot be written, or another process writes it.
        """
        require_vectors(self.adapter)
        self.keep_sources_beside(folder)
        if windows:
            from fieldguide.localization.grid import USUAL_OVERLAP
            from fieldguide.retrieval.index_windows import store_windows

            share = USUAL_OVERLAP if overlap is None else overlap
            return store_windows(self, inputs, Path(folder), windows, share)
        if overlap is not None:
            raise UsageError("An overlap is for windows: name their size, such as --window 224.")
        from fieldguide.retrieval.index import store_in_index  # lancedb takes 2 s to import

        return store_in_index(self, inputs, Path(folder))

    @names_kept_out
    def locate(  # noqa: PLR0913 - the front door
        self,
        inputs: Any,
        texts: str | Sequence[str],
        *,
        against: Sequence[str] = (),
        templates: Sequence[str] | None = None,
        windows: Sequence[str | int] = (),
        overlap: float = 0.5,
        top: int = 20,
        threshold: float | None = None,
        vectors: str | Path | None = None,
    ) -> Regions:
        """Find where in large rasters or pictures something is; resumable, in bounded memory.

        Args:
            inputs: files, folders or globs.
            texts: what to look for, one text or more.
            against: what it is told from; scores are then probabilities, else cosines.
            templates: prompts, each with one ``{}``; by default the adapter's or modality's.
            windows: their sides, such as 224 or "600m"; by default what the model takes.
            overlap: of neighbouring windows, as a part of their side.
            top: how many regions for each text.
            threshold: regions with a lower score are left out.
            vectors: the folder in which ``SCENE.windows`` keeps the vectors of windows, so that a
                killed run goes on and another text takes seconds. By default the current folder.

        Returns:
            Regions, best first for each text; ``write("out.geojson")`` by the ending.

        Raises:
            UsageError: texts, windows or options that make no sense.
            LoadError: no model covers the inputs.
        """
        from fieldguide.localization.locate import Search, locate

        texts = [texts] if isinstance(texts, str) else texts
        search = Search(texts, against, templates, windows, overlap, top, threshold)
        return locate(self, inputs, search, None if vectors is None else Path(vectors))

    @names_kept_out
    def evaluate(  # noqa: PLR0913 - the front door
        self,
        manifest: str | Path,
        labels: Sequence[str] | None = None,
        *,
        classes: str | None = None,
        templates: Sequence[str] | None = None,
        label_column: str = "label",
        group_column: str | None = None,
        where: str | None = None,
        adapter: AdapterName = None,
    ) -> Evaluation:
        """Compare zero-shot answers with the labels of a manifest.

        Args:
            manifest: CSV or JSON Lines with a path and a label in each row.
            labels: what to choose from; by default the labels of the manifest.
            classes: in place of labels, the name of a class set or a YAML file.
            templates: prompts, each with one ``{}``.
            label_column: which column holds the true label.
            group_column: rows that share its value are resampled together for intervals.
            where: only rows that fit, such as ``split == "test"``.
            adapter: on the model, for this evaluation; by default the guide's own.

        Raises:
            UsageError: no row has a label, or a label is not among those offered.
        """
        from fieldguide.benchmarks.classification import evaluate_predictions  # scikit-learn: 1 s

        if adapter is not None:
            return self.with_adapter(adapter).evaluate(
                manifest, labels, classes=classes, templates=templates, label_column=label_column,
                group_column=group_column, where=where,
            )  # fmt: skip

        if self.offers_findings(classes):
            raise UsageError(
                f"The classes of {classes} are findings, any number of which may hold, each with a "
                "column of its own: use evaluate_findings."
            )
        items = self.find(manifest, where=where, shown=[label_column])
        labelled = [item for item in items if label_column in item.metadata]
        if not labelled:
            raise UsageError(
                f"{manifest} has no row with a {label_column!r}. Name the column: --label-column"
            )
        if len(labelled) < len(items):
            raise UsageError(
                f"{len(items) - len(labelled)} rows have no {label_column!r}. Fill the column, or "
                f"leave them out: --where '{label_column} is not null'"
            )
        known = {str(item.metadata[label_column]) for item in labelled}
        if labels is None and classes is None:
            labels = sorted(known)
        predictions = self.classify(
            items, labels, classes=classes, templates=templates, top=KEEP_ALL
        )
        return evaluate_predictions(
            predictions, label_column=label_column, group_column=group_column
        )

    @names_kept_out
    def evaluate_findings(  # noqa: PLR0913 - the front door
        self,
        manifest: str | Path,
        classes: str,
        *,
        uncertain: str | None = None,
        group_column: str | None = None,
        where: str | None = None,
        threshold: float | None = None,
        calibration: str | Path | Calibration | None = None,
    ) -> FindingsEvaluation:
        """Compare what the model says of findings with a manifest of one column a finding.

        Args:
            manifest: CSV or JSON Lines with a path, and 1, 0, -1 or nothing for each finding.
            classes: the name of a class set of findings or a YAML file.
            uncertain: what -1 counts as: "ignore", "positive" or "negative"; to be said where
                there is any.
            group_column: rows that share its value, such as a patient, are resampled together.
            where: only rows that fit, such as ``split == "test"``.
            threshold: from which probability a finding counts as present; by default the
                calibration's for each, or 0.5.
            calibration: of findings, or its file.

        Raises:
            UsageError: no column is of a finding, a value is not a label, or it is not said what
                uncertain labels count as.
        """
        from fieldguide.benchmarks.findings import evaluate_findings  # scikit-learn: 1 s

        scored = self.score_findings(
            manifest, classes, uncertain=uncertain, group_column=group_column, where=where,
            calibration=calibration,
        )  # fmt: skip
        return evaluate_findings(scored, threshold)

    @names_kept_out
    def calibrate(
        self,
        manifest: str | Path,
        classes: str,
        *,
        uncertain: str | None = None,
        group_column: str | None = None,
        where: str | None = None,
    ) -> Calibration:
        """Fit a calibration of findings; ``write("file.json")`` keeps it.

        Args: as of :meth:`evaluate_findings`.

        Raises:
            UsageError: as there, or no finding has enough labels.
        """
        from fieldguide.benchmarks.finding_calibration import fit_calibration  # scikit-learn: 1 s

        scored = self.score_findings(
            manifest, classes, uncertain=uncertain, group_column=group_column, where=where
        )
        return fit_calibration(scored, load_class_set(classes, self.catalog), uncertain)

    @names_kept_out
    def score_findings(
        self,
        manifest: str | Path,
        classes: str,
        *,
        uncertain: str | None = None,
        group_column: str | None = None,
        where: str | None = None,
        calibration: str | Path | Calibration | None = None,
    ) -> Scored:
        """Judge the findings of a manifest once, for an evaluation and a calibration of it.

        Args: as of :meth:`evaluate_findings`.
        """
        from fieldguide.benchmarks.findings import score_findings  # scikit-learn: 1 s

        chosen = load_class_set(classes, self.catalog)
        return score_findings(
            self,
            self.find(manifest, where=where, shown_in_any_spelling=chosen.written_names),
            chosen,
            uncertain=uncertain,
            group_column=group_column,
            calibration=_calibration(calibration),
        )

    def offers_findings(self, classes: str | None) -> bool:
        """Return whether these classes are findings, which are judged each on its own."""
        if classes is None or (self.adapter is not None and self.adapter.classifier is not None):
            return False
        return load_class_set(classes, self.catalog).has_findings

    def benchmark(self, name: str, root: str | Path, *, subset: bool = False) -> BenchmarkReport:
        """Measure the model on a public data set by a published protocol.

        Args:
            name: of the benchmark, see ``fieldguide benchmark --list``.
            root: folder of the data set, in the layout in which its owners give it away.
            subset: measure on what is there of it; the report then stands beside no published
                figure.

        Raises:
            UnknownNameError: there is no such benchmark.
            UsageError: it is of another domain, or its data set is not there or not whole.
        """
        from fieldguide.benchmarks.run import run_benchmark  # scikit-learn: 1 s

        return run_benchmark(self, name, Path(root), subset=subset)

    @names_kept_out
    def tune(
        self,
        manifest: str | Path,
        output: str | Path | None = None,
        *,
        method: str = "lora",
        tell: Callable[[str], object] = lambda _line: None,
        **settings: Any,
    ) -> Outcome:
        """Train an adapter on labelled or captioned images, and measure its gain and forgetting.

        Args:
            manifest: CSV or JSON Lines with a path and a label, captions or both in each row; or a
                folder with one folder a class.
            output: the adapter's folder, a new one; by default the manifest's name and the method.
            method: "lora", "finetune", "projector", "probe", or that of a plugin.
            tell: is given what to say: findings in the data, the estimate, how far it is.
            **settings: of the method, training, reading, measuring and running; see docs/tuning.md
                and ``fieldguide tune --help``, whose options have the same names.

        Returns:
            The adapter, what was found in the data, the estimate, and gain and loss.

        Raises:
            UsageError: an unknown setting, a column that is not there, an output that exists.
            TuningError: the data cannot be learned from, or the training cannot go on.
            AdapterError: the method does not know the model.
        """
        from fieldguide.tuning.training.requests import make_request  # with peft: 9 s to import
        from fieldguide.tuning.training.run import tune

        if self.adapter is not None:
            raise UsageError(
                "A training begins with a base model: leave --adapter out. Two adapters of one "
                "base are added by 'fieldguide adapters combine'."
            )
        spec = self.catalog.methods[method]
        if spec.role != "tuner":
            raise UsageError(f"{method!r} is a {spec.role}, no way of tuning. Name a --method.")
        if self.private is not None:
            private, say = self.private, tell
            private.typed(str(manifest))

            def tell(line: str) -> object:
                return say(private.scrub(line))

        request, tuner = make_request(method, spec.load(), settings)
        name = Path(manifest).absolute().stem if self.private is None else self.domain.name
        place = Path(f"{name}_{method}" if output is None else output)
        return tune(self, manifest, place, request, tuner, tell)

    @names_kept_out
    def show(self, path: str | Path) -> tuple[Sample, bytes | None]:
        """Load one file as its domain's loader does, without a model.

        Returns:
            The sample and a small JPEG of it, or None where there is no preview.

        Raises:
            LoadError: it cannot be read.
            ContractError: it is a file of another kind.
            AmbiguousNameError: it can be of several modalities.
        """
        item = self.find(path)[0]
        reader = self.planner.reader_of(item)
        sample = reader.load(item)
        facts = reader.open_facts(sample.metadata)
        return replace(sample, metadata=facts), reader.preview_of(sample)

    @names_kept_out
    def find(
        self,
        inputs: Any,
        *,
        where: str | None = None,
        shown: Sequence[str] = (),
        shown_in_any_spelling: Collection[str] = (),
    ) -> list[Item]:
        """Expand what the user named into items of this domain; see ``find_items``.

        Args:
            inputs: as in :meth:`classify`; a list of items is taken as it is.
            where: only rows that fit; of a private domain, too, it is asked of what the manifest
                says.
            shown: columns of a manifest that this job needs as they are, in a private domain.
            shown_in_any_spelling: likewise; names as ``class_sets.bare`` leaves them.
        """
        if isinstance(inputs, list) and inputs and all(isinstance(i, Item) for i in inputs):
            return inputs
        if self.private is not None:
            inputs = self.private.typed(inputs)
        items = find_items(inputs, self.planner.all_loader_specs(), self.roots)
        if where is not None:
            condition = parse_where(where)
            items = [item for item in items if matches(condition, filter_row(item))]
        if self.private is None:
            return items
        columns = {column for item in items for column in item.metadata}
        alike = {column for column in columns if bare(column) in shown_in_any_spelling}
        hidden = self.private.hide(items, {*shown, *alike})
        return list({item.id: item for item in hidden}.values())  # two links to one file are one

    def encode(self, items: Sequence[Item], plan: Plan) -> Iterator[Batch]:
        """Load, prepare and encode items in batches, with a progress bar where it is wanted."""
        batches = encode_items(
            items,
            plan.reader,
            plan.encoder,
            batch_size=plan.batch_size,
            workers=self.runtime.workers,
        )
        off = None if self.runtime.progress else True  # None: only on a terminal
        with tqdm.tqdm(total=len(items), unit="image", disable=off, leave=False) as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch.rows))

    def classifier(
        self,
        plan: Plan,
        labels: Sequence[str] | None,
        *,
        classes: str | None = None,
        templates: Sequence[str] | None = None,
        calibration: str | Path | Calibration | None = None,
    ) -> Classifier | None:
        """Return the classifier for the labels the user named; None when nothing is encoded.

        Raises:
            UsageError: neither or both of labels and classes are given, and no adapter has labels.
        """
        usual = plan.modality.templates if plan.modality else ("{}",)
        asked = Asked(labels, classes, templates, usual, _calibration(calibration))
        return make_classifier(asked, plan.encoder, self.adapter, self.catalog)

    def encode_text(self, text: str) -> Embeddings:
        """Embed a query of the domain's, or named, modality."""
        require_vectors(self.adapter)
        _, record = self.planner.text_model()
        return self.planner.encoder(record).encode_texts([text])

    @names_kept_out
    def encode_image(self, image: Any) -> Embeddings:
        """Embed one query image; options that are for inputs alone do not apply to it.

        Raises:
            LoadError: it cannot be read.
            ContractError: it is not what the model takes.
        """
        require_vectors(self.adapter)
        items = self.find([image])
        of_inputs = {each.name for each in self.domain.options if not each.of_queries}
        kept = {name: value for name, value in self.options.items() if name not in of_inputs}
        plan = replace(self.planner, options=kept).plan(items, thumbnails=False)
        batch = next(self.encode(items[:1], plan))
        if batch.embeddings is None:
            raise UsageError(f"{items[0].name} cannot be a query: {batch.rows[0].reason}")
        return batch.embeddings

    def about(self, plan: Plan) -> dict[str, Any]:
        """Return what a store notes so that it can be opened again with the same model."""
        return {
            "domain": self.domain.name,
            "modality": plan.modality.name if plan.modality else None,
            "model": self.planner.model or (plan.record.name if plan.record else None),
            "options": self._shown(self.options),
            **names_fact(self.domain, self.private),
            **({} if self.adapter is None else self.adapter.about),
        }

    def provenance(self, plan: Plan, **facts: Any) -> dict[str, Any]:
        """Return the record of how a result was made."""
        encoder = plan.encoder
        if self.private is not None:
            facts = self.private.scrubbed(facts)
        return make_provenance(
            **self.about(plan) | {"model": plan.record.model_dump() if plan.record else None},
            space=None if encoder is None else encoder.space.model_dump(),
            space_digest="" if encoder is None else encoder.space.digest,
            contract=None if encoder is None else encoder.contract.model_dump(),
            device=str(self.device),
            computing=dict(plan.computing),
            refused_modalities=dict(plan.refusals),
            **facts,
        )

    def _shown(self, value: Any) -> Any:
        return value if self.private is None else self.private.scrubbed(value)

    def _batches(
        self, inputs: Any, *, thumbnails: bool
    ) -> tuple[Plan, list[Item] | None, Iterator[Batch]]:
        """Return the plan and the batches of images, or of vectors that were stored before.

        The items between them are None where there are vectors.
        """
        stored = stored_path(inputs)
        if stored is None:
            items = self.find(inputs)
            plan = self.planner.plan(items, thumbnails=thumbnails)
            return plan, items, self.encode(items, plan)
        modality, record = self.planner.text_model()
        encoder = self.planner.encoder(record)
        plan = Plan(RoutedReader({}, {}), modality, record, encoder, {})
        return plan, None, stored_batches(stored, encoder.space)

    def _base(self, adapter: Adapter) -> str:
        return lasting_name(base_model(adapter, self.catalog), self.catalog)

    def report(self, target: Path, plan: Plan, filled: Filled, total: int) -> StoreReport:
        """Return what a job that stores vectors did, and write its record beside the target."""
        failed = tuple(
            {"path": row.item.name, "status": row.status, "reason": row.reason}
            for row in filled.failed
        )
        facts = self.provenance(plan, added=filled.added, kept=filled.kept, total=total,
                                failed=failed)  # fmt: skip
        facts["rows_written_by"] = rows_written_by(target, plan.computing, filled)
        write_provenance(facts, target)
        return StoreReport(str(target), filled.added, filled.kept, total, failed, facts)

    def refuse_all(self, items: Sequence[Item], plan: Plan) -> Filled:
        """Return the reasons of a job of which no input is covered by a model."""
        return Filled(failed=[row for batch in self.encode(items, plan) for row in batch.rows])


def _calibration(named: str | Path | Calibration | None) -> Calibration | None:
    """Return a calibration that may be named by its file."""
    if named is None or not isinstance(named, str | Path):
        return named
    from fieldguide.zeroshot.calibration import read_calibration  # with scipy

    return read_calibration(named)


def guide(  # noqa: PLR0913 - the front door
    domain: str | None = None,
    *,
    modality: str | None = None,
    model: str | None = None,
    adapter: AdapterName = None,
    strength: float | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    precision: Precision = AUTO,
    backend: str = TORCH,
    progress: bool = False,
    roots: Sequence[str | Path] = (),
    show_paths: bool = False,
    show_columns: Sequence[str] = (),
    **options: Any,
) -> Guide:
    """Return a guide for one domain.

    Args:
        domain: the name of an installed domain, see ``fieldguide plugins``; by default that of the
            adapter, or "general".
        modality: one of its modalities; by default found by the files.
        model: a registry name, ``hf-hub:org/name``, an open_clip folder, or ``ARCHITECTURE:FILE``.
        adapter: a registry name, a folder or zip of ``fieldguide tune``, or one that was read.
        strength: of the adapter, 0 (the base) to 1 (as trained).
        device: "cpu", "cuda:0" ..., or None for the best there is.
        batch_size: images a step of the model; None lets memory decide.
        precision: of the image side: "fp32", "bf16", or "auto" for bf16 in long jobs where a short
            probe shows that it is faster and agrees.
        backend: what runs the image side: "torch", "openvino", "onnx", or that of a plugin.
        progress: whether progress bars are shown.
        roots: folders of which manifests may name files, beside their own and the current one.
        show_paths: let results name files also where the domain keeps them private.
        show_columns: of manifests, whose values a private domain may show.
        **options: the domain's own options, such as ``assume_hu=True``.
    """
    runtime = Runtime(
        device=device, batch_size=batch_size, progress=progress, precision=precision,
        backend=backend,
    )  # fmt: skip
    return Guide(
        domain, modality=modality, model=model, adapter=adapter, strength=strength,
        options=options, runtime=runtime, roots=roots, show_paths=show_paths,
        show_columns=show_columns,
    )  # fmt: skip


def open_index(
    folder: str | Path,
    *,
    runtime: Runtime | None = None,
    adapter: AdapterName = None,
    strength: float | None = None,
) -> Index:
    """Open an index with the model and adapter it was made with.

    Args:
        folder: of the index.
        runtime: device, batch size and others.
        adapter: the same one in another place; by default where the index says.
        strength: of that adapter.

    Raises:
        StoreError: there is no index.
        UnknownNameError: its domain, model or adapter is not installed here.
        AdapterError: its adapter is damaged.
    """
    from fieldguide.retrieval.index import Index  # lancedb takes 2 s to import
    from fieldguide.retrieval.job import read_job
    from fieldguide.retrieval.lance_index import open_lance_index

    store = open_lance_index(folder)
    about = read_job(store.about, store.folder)
    owner = Guide(
        about.domain,
        modality=about.modality,
        model=about.model,
        adapter=adapter or about.adapter,
        strength=about.strength if strength is None else strength,
        options=about.options,
        runtime=runtime,
        show_paths=about.names == PATHS,
    )
    owner.keep_sources_beside(folder)
    return Index(store, owner)
