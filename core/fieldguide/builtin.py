"""The core's own offers, through the hooks that plugins use. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldguide import contract
from fieldguide.hookspecs import API, hookimpl
from fieldguide.specs import (
    AnnotationReaderSpec,
    BackendSpec,
    CaptionConverterSpec,
    DomainSpec,
    LoaderSpec,
    MethodSpec,
    ModalitySpec,
    ModelSpec,
    WriterSpec,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

api = API

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif")
TABLES = (
    *("predictions", "matches", "regions", "evaluation", "embeddings", "benchmark"),
    *("findings", "pairs", "captions", "run_report", "taxa_evaluation"),
)


@hookimpl
def register_domains() -> Iterable[DomainSpec]:
    """Offer plain photographs, the one domain that the core knows."""
    photo = ModalitySpec(
        name="photo",
        summary="a photograph",
        loader=("image",),
        repairs=(
            contract.SELECT_BANDS,  # for models of many bands, which measure forgetting on these
            contract.GRAYSCALE_TO_RGB,
            contract.SIXTEEN_TO_EIGHT,
            contract.FILL_MISSING,
        ),
        templates=("a photo of {}.", "{}"),
        symmetries="mirror",
    )
    yield DomainSpec(
        name="general",
        summary="Everyday photographs: animals, plants, things, places",
        modalities=(photo,),
    )


@hookimpl
def register_loaders() -> Iterable[LoaderSpec]:
    """Offer the reader of plain images."""
    yield LoaderSpec(
        name="image",
        summary="JPEG, PNG, TIFF, WebP, BMP and GIF",
        target="fieldguide.data.images:ImageLoader",
        suffixes=IMAGE_SUFFIXES,
        windows="fieldguide.data.image_windows:open_image_windows",
    )


@hookimpl
def register_models() -> Iterable[ModelSpec]:
    """Offer the embedded model in its two forms, open_clip, and models with more bands."""
    yield ModelSpec(
        name="embedded_conse",
        summary="EfficientNet-Lite0 and MiniLM joined by class names (ConSE)",
        target="fieldguide.models.embedded:build_conse",
        extra="offline",
    )
    yield ModelSpec(
        name="embedded_projected",
        summary="EfficientNet-Lite0 and MiniLM joined by trained projectors",
        target="fieldguide.models.embedded:build_projected",
        extra="offline",
    )
    yield ModelSpec(
        name="open_clip",
        summary="Any open_clip model: from the hub, a folder, or a file of weights",
        target="fieldguide.models.openclip:build_open_clip",
    )
    yield ModelSpec(
        name="hf_clip",
        summary="A model in the form of transformers' CLIPModel: from the hub or a folder",
        target="fieldguide.models.openclip:build_open_clip",
    )
    yield ModelSpec(
        name="widened",
        summary="A model of red, green and blue with more bands: its first convolution widened",
        target="fieldguide.models.widened:build_widened",
        recipe_key="bands",
        recipe="fieldguide.models.widening:widening_settings",
    )


@hookimpl
def register_backends() -> Iterable[BackendSpec]:
    """Offer torch itself, torch.compile, OpenVINO and ONNX Runtime."""
    yield BackendSpec(
        name="torch",
        summary="torch as it is; the default",
        target="fieldguide.models.backends.eager:build_eager",
        devices=("cpu", "cuda", "mps"),
        precisions=("fp32", "bf16"),
        packages=("torch",),
    )
    yield BackendSpec(
        name="torch_compile",
        summary="torch.compile: minutes to compile, for long jobs",
        target="fieldguide.models.backends.compiled:build_compiled",
        devices=("cpu", "cuda"),
        precisions=("fp32", "bf16"),
        packages=("torch",),
    )
    yield BackendSpec(
        name="openvino",
        summary="OpenVINO on the processor",
        target="fieldguide.models.backends.openvino:build_openvino",
        extra="openvino",
        precisions=("fp32", "bf16"),
        packages=("torch", "openvino"),
    )
    yield BackendSpec(
        name="onnx",
        summary="ONNX Runtime on the processor",
        target="fieldguide.models.backends.onnx:build_onnx",
        extra="onnx",
        packages=("torch", "onnxruntime", "onnxscript"),
    )


@hookimpl
def register_caption_converters() -> Iterable[CaptionConverterSpec]:
    """Offer captions from a label alone, and from boxes."""
    yield CaptionConverterSpec(
        name="label_caption",
        summary="Sentences about the label: a photo of ...",
        target="fieldguide.captions.label_caption:label_caption",
    )
    yield CaptionConverterSpec(
        name="box_caption",
        summary="What is in the centre, around it, and how many (RemoteCLIP, Liu et al. 2023)",
        target="fieldguide.captions.box_caption:box_caption",
        options=("seed", "per_image"),
    )
    yield CaptionConverterSpec(
        name="absent_caption",
        summary="Which of the classes that were looked for is not there",
        target="fieldguide.captions.absent_caption:absent_caption",
        options=("seed", "per_image"),
    )


@hookimpl
def register_writers() -> Iterable[WriterSpec]:
    """Offer tables and contact sheets."""
    yield WriterSpec(
        name="csv",
        summary="Comma-separated table",
        target="fieldguide.writers.tables:write_csv",
        suffixes=(".csv",),
        results=TABLES,
    )
    yield WriterSpec(
        name="json",
        summary="JSON array, or JSON Lines",
        target="fieldguide.writers.tables:write_json",
        suffixes=(".json", ".jsonl"),
        results=TABLES,
    )
    yield WriterSpec(
        name="parquet",
        summary="Parquet table",
        target="fieldguide.writers.tables:write_parquet",
        suffixes=(".parquet",),
        results=TABLES,
    )
    yield WriterSpec(
        name="overlay",
        summary="PNG of a source under the colours of its heat map, with regions and scale",
        target="fieldguide.writers.overlay:write_overlay",
        suffixes=(".png",),
        results=("regions",),
    )
    for kind in ("predictions", "matches", "evaluation", "findings", "benchmark"):
        yield WriterSpec(
            name=f"html_{kind}",
            summary=f"Self-contained HTML page of {kind}",
            target=f"fieldguide.writers.html:write_{kind}",
            suffixes=(".html", ".htm"),
            results=(kind,),
        )


@hookimpl
def register_methods() -> Iterable[MethodSpec]:
    """Offer the methods of the core."""
    yield MethodSpec(
        name="zero_shot",
        summary="Softmax over cosines with averaged prompts (Radford et al. 2021)",
        target="fieldguide.zeroshot.classifier:build_classifier",
        role="classifier",
    )
    yield MethodSpec(
        name="description_ensemble",
        summary="The mean of sentences about each class (Pratt et al. 2023, CuPL)",
        target="fieldguide.zeroshot.description_ensemble:DescriptionEnsembleClassifier",
        role="classifier",
    )
    yield MethodSpec(
        name="domain_pairs",
        summary="Pairs of a domain out of general ones, in four stages (Zhang et al. 2023, RS5M)",
        target="fieldguide.pairs.domain_pairs:filter_pairs",
        role="miner",
    )
    yield from _finding_classifiers()
    yield MethodSpec(
        name="region_attributes",
        summary="Attributes of a text given to regions of its image (Varma et al. 2023, ViLLA)",
        target="fieldguide.data.region_attributes:RegionAttributeMapper",
        role="miner",
    )
    yield from _composers()
    yield from _rerankers()
    yield from _tuners()
    yield from _losses()
    yield from _annotation_readers()


def _finding_classifiers() -> Iterable[MethodSpec]:
    """Yield the ways to judge findings by pairs of sentences; ``docs/findings.md`` says more."""
    yield MethodSpec(
        name="pair_softmax",
        summary="Softmax over a present and an absent prompt (Hamamci et al. 2024, CT-CLIP)",
        target="fieldguide.zeroshot.presence:pair_softmax",
        role="finding_classifier",
    )
    yield MethodSpec(
        name="mean_cosine_difference",
        summary="Mean cosine of present less absent prompts (Blankemeier et al. 2024, Merlin)",
        target="fieldguide.zeroshot.presence:mean_cosine_difference",
        role="finding_classifier",
    )


def _composers() -> Iterable[MethodSpec]:
    """Yield the ways to search by an image and a text; ``docs/composed_search.md`` says more."""
    yield MethodSpec(
        name="weicom",
        summary="Places of both similarities in the corpus, averaged (Psomas et al. 2024)",
        target="fieldguide.retrieval.weicom:WeiCom",
        role="composer",
    )
    yield MethodSpec(
        name="raw_average",
        summary="Weighted mean of the two similarities as they are",
        target="fieldguide.retrieval.raw_average:RawAverage",
        role="composer",
    )


def _rerankers() -> Iterable[MethodSpec]:
    """Yield the judges of a search's second stage."""
    yield MethodSpec(
        name="second_model",
        summary="Cosines of another model, on the candidates of the first alone",
        target="fieldguide.retrieval.second_model:SecondModel",
        role="reranker",
    )


def _tuners() -> Iterable[MethodSpec]:
    """Yield the ways to train an adapter; ``docs/tuning.md`` says which one when."""
    folder = "fieldguide.tuning.methods"
    named = (
        ("lora", "Low-rank changes of layers beside the maps into the space (Hu et al. 2021)",
         "lora:Lora"),
        ("finetune", "Whole parameters of the last stages (Kumar et al. 2022)",
         "finetune:Finetune"),
        ("projector", "The maps into the space alone (Maniparambil et al. 2024)",
         "projector:Projector"),
        ("probe", "Logistic regression on the vectors (Alain and Bengio 2016)", "probe:Probe"),
    )  # fmt: skip
    for name, summary, target in named:
        yield MethodSpec(name=name, summary=summary, target=f"{folder}.{target}", role="tuner")


def _annotation_readers() -> Iterable[MethodSpec]:
    """Yield the formats of annotations that captions are made from; ``docs/captions.md``."""
    folder = "fieldguide.captions"
    yield AnnotationReaderSpec(
        name="coco",
        summary="COCO JSON: boxes, polygons, run-length masks",
        target=f"{folder}.coco:read_coco",
        suffixes=(".json",),
        recognizes=f"{folder}.coco:is_coco",
    )
    yield AnnotationReaderSpec(
        name="voc",
        summary="Pascal VOC XML",
        target=f"{folder}.voc:read_voc",
        suffixes=(".xml",),
    )
    yield AnnotationReaderSpec(
        name="dota",
        summary="DOTA's oriented boxes: eight coordinates, class, difficult",
        target=f"{folder}.dota:read_dota",
        suffixes=(".txt",),
        recognizes=f"{folder}.dota:is_dota",
    )
    yield AnnotationReaderSpec(
        name="yolo",
        summary="YOLO's boxes in shares of the image; needs names of the classes",
        target=f"{folder}.yolo:read_yolo",
        suffixes=(".txt",),
        recognizes=f"{folder}.yolo:is_yolo",
    )
    yield AnnotationReaderSpec(
        name="label_raster",
        summary="Images of class numbers; each connected region is an object",
        target=f"{folder}.label_rasters:read_label_raster",
        suffixes=(".png", ".tif", ".tiff", ".bmp"),
        fits_by_suffix=False,
    )


def _losses() -> Iterable[MethodSpec]:
    """Yield the training objectives; ``docs/losses.md`` says which one when."""
    folder = "fieldguide.losses"
    named = (
        ("infonce", "CLIP: each image finds its own text (Radford et al. 2021)",
         "infonce:InfoNCE"),
        ("convirt", "CLIP with 3/4 of the weight on images (Zhang et al. 2020)",
         "infonce:convirt"),
        ("multi_positive", "All that share a caption or class are right (Khosla et al. 2020)",
         "multi_positive:MultiPositive"),
        ("class_level", "AdaptCLIPZS: texts of one class are right (Saha et al. 2024)",
         "multi_positive:class_level"),
        ("sigmoid", "SigLIP: every pair is judged on its own (Zhai et al. 2023)",
         "sigmoid:Sigmoid"),
        ("medclip", "MedCLIP: as alike as their findings (Wang et al. 2022)",
         "soft_targets:SemanticMatching"),
        ("medclip_dot", "MedCLIP as its authors released it: dot products of findings",
         "soft_targets:medclip_dot"),
        ("scold", "SCOLD: captions alike share the target (Nguyen Quoc et al. 2025)",
         "soft_targets:ContextualTargets"),
        ("teacher_student", "FitCLIP: as similar as a teacher sees them (Castro and Heilbron 2022)",
         "teacher_student:TeacherStudent"),
        ("fitclip", "All that share a caption or class, and as similar as the base sees them",
         "teacher_student:fitclip"),
    )  # fmt: skip
    for name, summary, target in named:
        yield MethodSpec(name=name, summary=summary, target=f"{folder}.{target}", role="loss")
