"""Guide: what a domain's model can be asked; each method names its job, and a module does it."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.data.embedding_job import store_in_file
from fieldguide.data.routing import find_modality
from fieldguide.data.shown import shown_by_windows, shown_whole
from fieldguide.data.store_job import Filled
from fieldguide.data.stored import images_or_vectors
from fieldguide.domain_inputs import find_inputs
from fieldguide.errors import UsageError
from fieldguide.models.device import choose_device
from fieldguide.models.load import lasting_name
from fieldguide.planning import Plan, Planner
from fieldguide.plugins import Catalog, get_catalog
from fieldguide.privacy.domains import names_of
from fieldguide.privacy.names import names_kept_out
from fieldguide.privacy.options import meant_options
from fieldguide.results import Predictions, StoreReport
from fieldguide.retrieval.query_image import encode_query_image
from fieldguide.runtime import Runtime
from fieldguide.tuning.adapter_choice import choose_adapter, lasting_base, require_vectors
from fieldguide.writers.job_record import about_job, job_provenance, report_stored
from fieldguide.zeroshot.by_windows import WindowJob, choose_cut
from fieldguide.zeroshot.choose import Asked, Classifier, make_classifier, named_calibration
from fieldguide.zeroshot.class_sets import load_class_set
from fieldguide.zeroshot.classify import check_range, classify_batches, label_answerer
from fieldguide.zeroshot.describe import description_facts
from fieldguide.zeroshot.look_again import about_guided, look_again_by, require_images
from fieldguide.zeroshot.name_taxa import name_taxa, refuse_beside_taxa
from fieldguide.zeroshot.priors import (
    PriorSource,
    prior_facts,
    prior_of,
    refuse_prior,
    split_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from fieldguide.benchmarks.classification import Evaluation
    from fieldguide.benchmarks.findings import FindingsEvaluation, Scored
    from fieldguide.benchmarks.report import BenchmarkReport
    from fieldguide.data.inputs import Item
    from fieldguide.data.pipeline import Batch
    from fieldguide.localization.result import Regions
    from fieldguide.models.embeddings import Embeddings
    from fieldguide.retrieval.index import Index
    from fieldguide.samples import Sample
    from fieldguide.tuning.adapter import Adapter
    from fieldguide.tuning.training.run import Outcome
    from fieldguide.zeroshot.calibration import Calibration
    from fieldguide.zeroshot.description_sets import DescriptionSet
    from fieldguide.zeroshot.guided_crop import GuidedCrop
    from fieldguide.zeroshot.taxa import Taxa
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
            domain = domain or self.adapter.config.domain
            model = model or lasting_base(self.adapter, self.catalog)
        self.domain = self.catalog.domains[domain or GENERAL]
        self.options = dict(options or {})
        self.runtime = runtime or Runtime()
        self.device = choose_device(self.runtime.device)
        self.private = None if show_paths else names_of(self.domain, show_columns)
        if self.private is not None:
            self.options = meant_options(self.private, self.domain, self.options)
        self.options, self.prior_options = split_options(self.domain, self.options)
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
        model = self.planner.model or lasting_base(chosen, self.catalog)
        other.planner = self.planner.with_adapter(chosen, model)
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

    @cached_property
    def prior(self) -> PriorSource | None:
        """What the domain's options say of place, season and the like; None without any.

        Raises:
            UsageError: an option makes no sense, or names a file that cannot be read.
        """
        return prior_of(self.domain, self.prior_options)

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
        taxa: Taxa | None = None,
        prior: PriorSource | None = None,
        templates: Sequence[str] | None = None,
        threshold: float = 0.0,
        top: int | None = None,
        thumbnails: bool = False,
        calibration: str | Path | Calibration | None = None,
        window: str | int | None = None,
        overlap: float | None = None,
        pool: Pooling | None = None,
        vectors: str | Path | None = None,
        guided: GuidedCrop | None = None,
        descriptions: DescriptionSet | str | Path | None = None,
        prompt_share: float = 0.0,
    ) -> Predictions:
        """Say which label fits each image best, or which findings it has.

        Slides and other large sources are classified by their windows. A class set of findings has
        sentences for present and absent; each finding then has a probability of its own. See
        docs/findings.md.

        Args:
            inputs: paths, globs, folders, manifests, Pillow images, arrays, Samples, boxes of
                :func:`fieldguide.crops`, or an iterable of these; or one file of :meth:`embed`,
                whose vectors are used as they are.
            labels: two or more labels; by default those of the adapter, where it has any.
            classes: in place of labels, the name of a class set or a YAML file.
            taxa: in place of labels, taxa of a tree: see :func:`fieldguide.taxa`. They say
                themselves how to answer, so that templates, threshold and top are theirs.
            prior: what is known beside the images, such as their place and season, which makes
                labels more or less likely; by default as the domain's options say.
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
            guided: look at each image again, for small objects; see docs/several_animals.md.
            descriptions: sentences about the labels in place of prompts, by name or file; where
                no labels are named, its classes are the labels. See docs/taxon_captions.md.
            prompt_share: of the prompts beside descriptions, 0 to 1.

        Returns:
            One prediction an input, in their order; one that failed carries the reason. By windows
            they have a ``report`` with one row a source.

        Raises:
            UsageError: labels or inputs that make no sense.
        """
        check_range(threshold, top)
        plan, items, batches = images_or_vectors(self, inputs, thumbnails=thumbnails)
        cut = choose_cut(plan, items, window=window, overlap=overlap, pool=pool, folder=vectors)
        require_images(guided, items, cut)
        prior = self.prior if prior is None else prior
        if taxa is not None:
            refuse_beside_taxa(labels, classes, calibration, cut, descriptions)
            return name_taxa(self, plan, taxa, batches, guided=guided, prior=prior)
        classifier = self.classifier(
            plan, labels, classes=classes, templates=templates, calibration=calibration,
            descriptions=descriptions, prompt_share=prompt_share,
        )  # fmt: skip
        refuse_prior(prior, classifier, cut)
        if cut is not None:
            return WindowJob(self, plan, classifier, cut, top, threshold).run(items or [])
        answerer = label_answerer(classifier, top, threshold, prior)
        looking = look_again_by(answerer, guided, plan, self.runtime)
        rows = list(classify_batches(batches, looking))
        offered = [] if classifier is None else list(classifier.labels)
        about = {"labels": offered, "threshold": threshold, **about_guided(guided)}
        facts = {**about, **description_facts(classifier), **prior_facts(prior)}
        return Predictions(rows, self.provenance(plan, **facts))

    @names_kept_out
    def embed(self, inputs: Any, output: str | Path) -> StoreReport:
        """Write one vector an image into a Parquet file; resumable and incremental.

        A second call embeds only what is new or has changed. Rows whose file is gone stay.

        Raises:
            SpaceMismatchError: the file holds vectors of another model.
            StoreError: the file cannot be written, or another process writes it.
        """
        require_vectors(self.adapter)
        return store_in_file(self, inputs, Path(output))

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
            from fieldguide.retrieval.index_windows import store_windows

            return store_windows(self, inputs, Path(folder), windows, overlap)
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
        descriptions: DescriptionSet | str | Path | None = None,
        prompt_share: float = 0.0,
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
            descriptions: sentences about the labels, as of :meth:`classify`.
            prompt_share: likewise.

        Raises:
            UsageError: no row has a label, or a label is not among those offered.
        """
        from fieldguide.benchmarks.classification import evaluate_predictions  # scikit-learn: 1 s
        from fieldguide.benchmarks.manifest_labels import find_labelled, require_one_label

        guide = self if adapter is None else self.with_adapter(adapter)
        require_one_label(guide, classes)
        items, known = find_labelled(guide, manifest, label_column, where)
        answers = guide.classify(
            items, known if labels is None and classes is None else labels, classes=classes,
            templates=templates, top=KEEP_ALL, descriptions=descriptions, prompt_share=prompt_share,
        )  # fmt: skip
        return evaluate_predictions(answers, label_column=label_column, group_column=group_column)

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
            calibration=named_calibration(calibration),
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
        from fieldguide.tuning.training.begin import begin  # with peft: 9 s to import

        return begin(self, manifest, output, method, settings, tell)

    @names_kept_out
    def show(self, path: str | Path) -> tuple[Sample, bytes | None]:
        """Load one file as its domain's loader does, without a model.

        Returns:
            The sample and a small JPEG of it, or None where there is no preview. Of a file that is
            only read by windows the sample is a small picture; ``size_px`` of its metadata is the
            size of the file.

        Raises:
            LoadError: it cannot be read.
            ContractError: it is a file of another kind.
            AmbiguousNameError: it can be of several modalities.
        """
        item = self.find(path)[0]
        reader = self.planner.reader_of(item)
        modality = self.planner.modality_of(item)
        by_windows = modality is not None and modality.by_windows
        sample = (shown_by_windows if by_windows else shown_whole)(item, reader)
        return sample, reader.preview_of(sample)

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
        return find_inputs(self, inputs, where, shown, shown_in_any_spelling)

    def encode(self, items: Sequence[Item], plan: Plan) -> Iterator[Batch]:
        """Load, prepare and encode items in batches, with a progress bar where it is wanted."""
        return plan.encode(items, self.runtime)

    def classifier(  # noqa: PLR0913 - what a user may say of labels
        self,
        plan: Plan,
        labels: Sequence[str] | None,
        *,
        classes: str | None = None,
        templates: Sequence[str] | None = None,
        calibration: str | Path | Calibration | None = None,
        descriptions: DescriptionSet | str | Path | None = None,
        prompt_share: float = 0.0,
    ) -> Classifier | None:
        """Return the classifier for the labels the user named; None when nothing is encoded.

        Raises:
            UsageError: neither or both of labels and classes are given, and no adapter has labels.
        """
        usual = plan.modality.templates if plan.modality else ("{}",)
        known = named_calibration(calibration)
        asked = Asked(labels, classes, templates, usual, known, descriptions, prompt_share)
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
        return encode_query_image(self, image)

    def about(self, plan: Plan) -> dict[str, Any]:
        """Return what a store notes so that it can be opened again with the same model."""
        return about_job(self, plan)

    def provenance(self, plan: Plan, **facts: Any) -> dict[str, Any]:
        """Return the record of how a result was made."""
        return job_provenance(self, plan, facts)

    def report(self, target: Path, plan: Plan, filled: Filled, total: int) -> StoreReport:
        """Return what a job that stores vectors did, and write its record beside the target."""
        return report_stored(self, target, plan, filled, total)

    def refuse_all(self, items: Sequence[Item], plan: Plan) -> Filled:
        """Return the reasons of a job of which no input is covered by a model."""
        filled = Filled()
        for batch in self.encode(items, plan):
            filled.add(batch.rows)
        return filled
