"""What a plugin may offer: frozen records that name their implementation by a string.

A spec is cheap to make and to list. Its code is imported by :meth:`Spec.load`, at first use.
"""

from __future__ import annotations

import importlib
import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from fieldguide.errors import MissingExtraError, PluginError


def stays_inside(path: str) -> str:
    """Return a path of a package's file, or raise ValueError when it could lead elsewhere."""
    if path.startswith("/") or "\\" in path or ".." in path.split("/") or not path:
        raise ValueError(f"{path!r} must be relative, with /, and stay inside its folder")
    return path


def _resource_stays_inside(resource: str) -> str:
    stays_inside(resource.partition(":")[2])
    return resource


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
ResourcePath = Annotated[
    str, Field(pattern=r"^[A-Za-z_][\w.]*:[\w./-]+$"), AfterValidator(_resource_stays_inside)
]
Suffix = Annotated[str, Field(pattern=r"^\.[a-z0-9.]+$")]


class Record(BaseModel):
    """A frozen, closed record: unknown fields are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Offer(Record):
    """Anything a plugin offers under a name.

    Attributes:
        name: lower case with underscores; unique among offers of one kind.
        summary: one line for lists.
        extra: the pip extra that brings what the offer needs, or None.
        distribution: the distribution that has the extra.
    """

    kind: ClassVar[str]

    name: Name
    summary: str = Field(min_length=1)
    extra: str | None = None
    distribution: str = "fieldguide"

    @property
    def pip_line(self) -> str | None:
        """The command that completes this offer, or None when it needs no extra."""
        return None if self.extra is None else f"pip install '{self.distribution}[{self.extra}]'"

    def import_target(self, target: str) -> Any:
        """Import ``package.module:attribute`` on behalf of this offer.

        Raises:
            MissingExtraError: a package is missing; the message has the pip line.
            PluginError: the target does not exist or cannot be imported.
        """
        module, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise self._missing(target, error) from error
        except AttributeError as error:
            raise self._no_target(target, error) from error
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"The {self.kind} {self.name!r} cannot be imported from {target!r}: "
                f"{type(error).__name__}: {error}. Report this to the plugin's author."
            ) from error

    def _no_target(self, target: str, error: Exception) -> PluginError:
        return PluginError(
            f"The {self.kind} {self.name!r} points to {target!r}, which does not exist: "
            f"{error}. Report this to the plugin's author."
        )

    def _missing(self, target: str, error: ModuleNotFoundError) -> Exception:
        module = target.partition(":")[0]
        if error.name and f"{module}.".startswith(f"{error.name}."):
            return self._no_target(target, error)
        if self.pip_line is None:
            return PluginError(
                f"The {self.kind} {self.name!r} needs the package {error.name!r}, "
                f"which is not installed. Run: pip install {error.name}"
            )
        return MissingExtraError(
            f"The {self.kind} {self.name!r} needs the package {error.name!r}, "
            f"which is not installed. Run: {self.pip_line}"
        )


def list_faults(error: ValidationError) -> str:
    """Return every fault of a record in one line: where it is and what is wrong."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'record'}: {fault['msg']}"
        for fault in error.errors()
    )


class Spec(Offer):
    """An offer with code behind it."""

    target: ImportPath

    def load(self) -> Any:
        """Import and return the target; raises as :meth:`Offer.import_target` does."""
        return self.import_target(self.target)

    def needs(self, error: ModuleNotFoundError) -> Exception:
        """Return what to raise where the target's own work met a missing package."""
        return self._missing(self.target, error)


class MagicNumber(Record):
    """Bytes at a fixed place by which a file without a suffix is known."""

    offset: int = Field(ge=0)
    hex: str = Field(pattern=r"^([0-9a-f]{2})+$")


class LoaderSpec(Spec):
    """Reads one kind of file. Target: a callable ``(**options) -> Loader``.

    Attributes:
        suffixes: lower-case file endings, such as ``.tif`` or ``.nii.gz``.
        magic: how to know a file that has no suffix.
        unit: what one item is: a file, or a folder with all its files of this kind.
        folder_suffixes: lower-case endings of the names of folders that are one item each,
            whatever they hold, such as ``.zarr``; only for the unit "folder".
        parts: a regular expression of whole file names, in lower case: a folder that holds such
            files is one item of this loader, and they are none of their own; only for the unit
            "folder".
        only_named: such files are read where they are named, and not looked for in folders.
        recognizes: ``(Path) -> bool``, asked where several modalities of a domain read files with
            this ending: a file that it knows is this loader's, any other is not.
        options: names of the domain options that the target takes as keywords.
        windows: ``(loader, path, bands) -> context manager of a Windowed``, for what is too large
            for one read; bands that are not among those named need not be read, and None names
            all. None where windows make no sense.
    """

    kind: ClassVar[str] = "loader"

    suffixes: tuple[Suffix, ...] = ()
    magic: MagicNumber | None = None
    unit: Literal["file", "folder"] = "file"
    folder_suffixes: tuple[Suffix, ...] = ()
    parts: str | None = None
    only_named: bool = False
    recognizes: ImportPath | None = None
    options: tuple[Name, ...] = ()
    windows: ImportPath | None = None

    @property
    def endings(self) -> tuple[str, ...]:
        """Of the names of files and folders that it reads."""
        return (*self.suffixes, *self.folder_suffixes)

    @model_validator(mode="after")
    def _finds_something(self) -> Self:
        if not self.suffixes and not self.folder_suffixes and self.parts is None:
            raise ValueError("a loader needs suffixes, folder_suffixes or parts")
        if self.unit == "file" and (self.folder_suffixes or self.parts is not None):
            raise ValueError("folder_suffixes and parts are for the unit 'folder'")
        return self

    @field_validator("parts")
    @classmethod
    def _parts_can_be_read(cls, parts: str | None) -> str | None:
        try:
            re.compile(parts or "")
        except re.error as error:
            raise ValueError(f"{parts!r} is not a regular expression: {error}") from error
        return parts


Symmetries = Literal["none", "mirror", "all"]


class ModalitySpec(Offer):
    """One kind of image of a domain, and how it becomes what an encoder takes.

    Attributes:
        loader: names of the loaders that read it.
        broader: a wider modality; a model made for that one covers this one too.
        repairs: names of the repairs that may be applied to it; anything else is refused.
        templates: prompts around a label, each with one ``{}``.
        fits_by_suffix: False for a special kind that is used only when it is named.
        check: ``(Sample) -> None``, raises ContractError when the content is of another kind.
        preview: ``(Sample) -> (H, W, 3) uint8`` for thumbnails of what is not an RGB image.
        by_windows: whether such a source is too large to be looked at as a whole, so that it is
            classified by its windows.
        normaliser: ``(**options) -> (whole: Sample) -> (part: Sample) -> Sample``, brings pictures
            to a common appearance as a repair by name, where the user asks for it by an option.
        normaliser_options: names of the domain options that it takes as keywords; without any of
            them pictures stay as they are.
        symmetries: of the square under which a picture stays what it is, for training: "none",
            "mirror" (left and right), or "all" (quarter turns too).
    """

    kind: ClassVar[str] = "modality"

    loader: tuple[Name, ...] = Field(min_length=1)
    broader: Name | None = None
    repairs: tuple[Name, ...] = ()
    templates: tuple[str, ...] = ("{}",)
    fits_by_suffix: bool = True
    check: ImportPath | None = None
    preview: ImportPath | None = None
    by_windows: bool = False
    normaliser: ImportPath | None = None
    normaliser_options: tuple[Name, ...] = ()
    symmetries: Symmetries = "none"


CORE_OPTIONS = frozenset(
    {
        "accumulate",
        "adapter",
        "against",
        "allow",
        "alpha",
        "attribute_column",
        "backend",
        "batch_size",
        "best_mean",
        "bins",
        "box_confidence",
        "box_label",
        "box_margin",
        "boxes",
        "calibration",
        "caption_column",
        "caption_weight",
        "checkpoint_s",
        "checks",
        "clade",
        "classes",
        "classes_file",
        "composer",
        "confidence",
        "converter",
        "descriptions",
        "device",
        "domain",
        "dropout",
        "dry_run",
        "epochs",
        "false_alarms",
        "feature_dropout",
        "format",
        "frozen",
        "general",
        "group_column",
        "guided_crop",
        "help",
        "how_to_get",
        "image",
        "images",
        "in",
        "json",
        "k",
        "keep_gb",
        "label",
        "label_column",
        "label_vectors",
        "label_weight",
        "labels",
        "language",
        "last_blocks",
        "last_stages",
        "learning_rate",
        "licence",
        "licence_limits",
        "list",
        "loss",
        "max_loss",
        "method",
        "micro_batch",
        "min_side",
        "modality",
        "model",
        "months",
        "name",
        "near",
        "no_compare",
        "no_measure",
        "nulls",
        "offline",
        "out_of_scope",
        "output",
        "overlap",
        "patience",
        "per_image",
        "pick_strength",
        "pool_top",
        "positive_column",
        "precision",
        "projection_epochs",
        "projection_rate",
        "prompt_share",
        "queries",
        "quiet",
        "rank",
        "remove",
        "replay",
        "replay_share",
        "report",
        "rerank_model",
        "rerank_top",
        "reranker",
        "research_only",
        "resize",
        "results",
        "resume",
        "role",
        "root",
        "scale",
        "schedule",
        "seed",
        "set",
        "show_column",
        "show_paths",
        "sister",
        "source",
        "split_column",
        "strength",
        "strict",
        "subset",
        "summary",
        "symmetries",
        "taxon_column",
        "taxonomy",
        "template",
        "tensorboard",
        "text_type",
        "text_weight",
        "texts",
        "threshold",
        "top",
        "tower",
        "uncertain",
        "vectors",
        "version",
        "weight",
        "weight_decay",
        "where",
        "window",
        "within_km",
        "words",
        "workers",
        "write_calibration",
    }
)
"""The command line's own options, which a domain may not take."""

SEARCH_OPTIONS = frozenset({"after", "before"})
"""Of ``search``, which has no option of a domain: domains use these names for their inputs."""


class OptionSpec(Record):
    """A command-line option that a domain adds to the core's commands.

    Attributes:
        name: ``assume_hu`` becomes ``--assume-hu`` and the keyword ``assume_hu`` of loaders.
        type: a flag takes no value.
        of_queries: whether an image that an index is searched with is read by it too; False for
            what is asked of the inputs alone, such as an area or a date.
        of_prior: whether it says what is known beside the images, such as where they were taken:
            it goes to :attr:`DomainSpec.prior`, and to no loader, and changes no vector.
    """

    name: Name
    help: str = Field(min_length=1)
    type: Literal["text", "number", "flag"] = "text"
    choices: tuple[str, ...] = ()
    of_queries: bool = True
    of_prior: bool = False

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in CORE_OPTIONS:
            raise ValueError(f"--{name.replace('_', '-')} is an option of the core")
        return name


class DomainSpec(Offer):
    """A field of work: its modalities, options, prompt and class sets and registry.

    Attributes:
        registry: ``package:registry.yaml`` with the domain's models and data sets.
        class_sets: ``package:folder/file.yaml``, versioned prompt and class sets.
        description_sets: ``package:folder/file.yaml``, versioned sentences about classes.
        demo: ``(folder: Path) -> Sequence[DemoImage]``, pictures for ``fieldguide demo``.
        pair_words: ``package:folder/file.yaml``, what ``fieldguide pairs filter`` looks for.
        private_sources: whether names of files may name people: results, logs and errors then have
            salted ids in their place, and a private ``sources.parquet`` says what they mean.
        open_facts: names of the facts of a file that may stand in results where sources are
            private; all others are left out.
        quoting_loggers: of libraries that log what files hold; silent where sources are private.
        taxonomy: ``() -> Tree``, the tree of labels that is used where the user names none.
        taxonomy_reader: ``(Path) -> Tree``, reads trees in the formats of the field.
        label_texts: ``(tree, node, text_type, templates, language) -> Sequence[str]``, the prompts
            of a taxon; no text type is given where neither the user nor the model names one.
        place_columns: pairs of columns, latitude and longitude in degrees, in which its tables say
            where an image was taken; they go before the core's, see ``data.place_and_date``.
        date_columns: columns in which its tables say on which day, likewise.
        taxon_columns: columns in which its tables say what an image shows, as a name of its
            taxonomy, the narrowest first.
        prior: ``(**options) -> PriorSource | None``, given those of the domain's options that are
            ``of_prior`` and that the user named; see ``zeroshot.priors``.
    """

    kind: ClassVar[str] = "domain"

    modalities: tuple[ModalitySpec, ...] = Field(min_length=1)
    options: tuple[OptionSpec, ...] = ()
    registry: ResourcePath | None = None
    class_sets: tuple[ResourcePath, ...] = ()
    description_sets: tuple[ResourcePath, ...] = ()
    demo: ImportPath | None = None
    pair_words: ResourcePath | None = None
    private_sources: bool = False
    open_facts: tuple[Name, ...] = ()
    quoting_loggers: tuple[str, ...] = ()
    taxonomy: ImportPath | None = None
    taxonomy_reader: ImportPath | None = None
    label_texts: ImportPath | None = None
    place_columns: tuple[tuple[str, str], ...] = ()
    date_columns: tuple[str, ...] = ()
    taxon_columns: tuple[str, ...] = ()
    prior: ImportPath | None = None


class ModelSpec(Spec):
    """An architecture. Target: ``(ModelRecord, device) -> Encoder``.

    A checkpoint is not code: it is a record of registry.yaml that names its ModelSpec.

    Attributes:
        recipe_key: for models that are made from another one: the key by which a YAML file that
            ``--model`` names is known to be of this kind. Its ``base`` names the other model.
        recipe: checks such a file: ``(content, where) -> settings`` of a record, ``base`` among
            them; raises UsageError.
    """

    kind: ClassVar[str] = "model"

    recipe_key: str | None = None
    recipe: ImportPath | None = None


class BackendSpec(Spec):
    """Runs the image side of a model. Target: ``(module, example, *, dtype, device, folder)``.

    The target returns an ``ImageTower`` whose features equal those of ``module``. It is given the
    torch module from (N, C, H, W) uint8 pixels to (N, D) features, an example of two images, the
    type to compute in, the device, and a folder for converted files that belongs to this model and
    these versions, or None when nothing may be kept. What it returns is compared with torch before
    it is used, and refused when it differs.

    Attributes:
        devices: the kinds of device that it can compute on.
        precisions: the types that it can compute in.
        packages: distributions whose version may change a result.
    """

    kind: ClassVar[str] = "backend"

    devices: tuple[Literal["cpu", "cuda", "mps"], ...] = Field(default=("cpu",), min_length=1)
    precisions: tuple[Literal["fp32", "bf16"], ...] = Field(default=("fp32",), min_length=1)
    packages: tuple[str, ...] = ()


class CaptionConverterSpec(Spec):
    """Turns labels and metadata into captions. Target: ``(Mapping[str, Any]) -> str``.

    The mapping is a row of a manifest; its ``label`` is that of the column the user named. The
    target may return a sequence of texts as well, of which a training draws one at a time. It
    raises ContractError for a row that it can make no caption of, and returns an empty sequence
    for one of which there is nothing to say. A text with an attribute
    ``template`` (``captions.caption.Caption``) says which sentence it was made from. Where a row
    has a file, its ``path`` says where that is.

    Attributes:
        options: what the target takes as keywords, with defaults: ``seed`` of its chance, and
            ``per_image``, how many texts it returns.
        domain: whose records it reads; None for all. Where the sources of that domain are private,
            so are those of the captions.
    """

    kind: ClassVar[str] = "caption converter"

    options: tuple[Literal["seed", "per_image"], ...] = ()
    domain: Name | None = None


class WriterSpec(Spec):
    """Writes a result. Target: ``(Result, Path) -> Mapping | None``. Chosen by the output's suffix.

    What the target returns, such as how many rows were left out, is kept in the record beside the
    output.

    Attributes:
        suffixes: the file endings it writes.
        results: what it can write: "predictions", "matches", "regions", "evaluation" ...
        domain: the only domain whose results it writes, before others of that suffix; None for all.
    """

    kind: ClassVar[str] = "writer"

    suffixes: tuple[Suffix, ...] = Field(min_length=1)
    results: tuple[Name, ...] = Field(min_length=1)
    domain: Name | None = None


class CommandSpec(Spec):
    """A command of a domain, ``fieldguide DOMAIN NAME``. Target: a ``click.Command``.

    The target's module is imported when the command or its help is asked for; what is heavy
    belongs into the command's body.

    Attributes:
        domain: the word before the command.
    """

    kind: ClassVar[str] = "command"

    domain: Name


class BenchmarkSpec(Spec):
    """A protocol with a published source. Target: ``(Guide, root: Path) -> BenchmarkReport``.

    A target that can be measured on a part of its data set also has ``on_subset``, called alike;
    both are in ``fieldguide.benchmarks.report``.

    Attributes:
        source: address of the paper or data set.
        metric: the field's name of the main figure.
        dataset: name of the registry's data set record, which says how to get it.
        domain: whose models are measured.
        modality: of the domain; by default found by the files.
    """

    kind: ClassVar[str] = "benchmark"

    source: str = Field(pattern=r"^https?://")
    metric: Name
    dataset: Name
    domain: Name
    modality: Name | None = None


MethodKind = Literal[
    "loss",
    "classifier",
    "finding_classifier",
    "composer",
    "expander",
    "reranker",
    "localizer",
    "miner",
    "tuner",
    "generator",
    "annotation_reader",
]


class MethodSpec(Spec):
    """A method of the field: a loss, a classifier, a query composer and so on."""

    kind: ClassVar[str] = "method"

    role: MethodKind


class AnnotationReaderSpec(MethodSpec):
    """Reads objects in images from files of one format; offered by ``register_methods``.

    Target: ``(path, *, classes: ClassList | None, images: Path | None) -> Annotations``; see
    ``captions.boxes`` and ``captions.coco`` for an example. It raises LoadError for a file that is
    of another format, and records each image that it cannot use.

    Attributes:
        suffixes: lower-case file endings.
        fits_by_suffix: False for a format that is read only when it is named by ``--format``.
        recognizes: ``(Path) -> bool``, tells a format from others with the same ending.
    """

    role: MethodKind = "annotation_reader"
    suffixes: tuple[Suffix, ...] = Field(min_length=1)
    fits_by_suffix: bool = True
    recognizes: ImportPath | None = None
