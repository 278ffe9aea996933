"""Published figures: complete, with protocol, source and trust, and never beside a subset."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from fieldguide.plugins import get_catalog
from fieldguide.registry import ReferenceRecord, RegistryError, parse_registry

FOLDER = Path("/folder")
REGISTRY = get_catalog().registry
RESULTS = REGISTRY.results
RESULT: dict[str, Any] = {
    "name": "my_result",
    "model_label": "a model",
    "dataset": "a set",
    "metric": "accuracy",
    "unit": "percent",
    "value": 50.0,
    "protocol": "all images",
    "source": "https://example.org",
    "trust": "verified",
}
# data set, metric, start of the model's label, value: copied by hand from the sources' tables
SPOT_CHECKS = [
    ("RSITMD", "mean_recall", "RemoteCLIP RN50", 46.21),
    ("RSITMD", "mean_recall", "RemoteCLIP ViT-L-14", 50.52),
    ("RSICD", "mean_recall", "RemoteCLIP ViT-B-32", 35.26),
    ("UCM", "mean_recall", "RemoteCLIP ViT-B-32", 56.36),
    ("RSITMD", "mean_recall", "GeoRSCLIP-FT (RS5M and RET-2)", 51.81),
    ("RSICD", "mean_recall", "GeoRSCLIP-FT (RS5M and RSICD)", 38.0),
    ("RSICD", "mean_recall", "GeoRSCLIP ViT-H-14", 28.48),
    ("RSITMD", "mean_recall", "CLIP-Baseline", 24.19),
    ("EuroSAT", "top1_accuracy", "GeoRSCLIP ViT-B-32", 61.40),
    ("RESISC45", "top1_accuracy", "GeoRSCLIP ViT-H-14", 73.83),
    ("AIR-SLT", "selo_ras", "GeoRSCLIP ViT-H-14", 0.2566),
    ("AID", "top1_accuracy", "RemoteCLIP ViT-B-32", 77.96),
    ("RESISC45", "top1_accuracy", "ViT-H-14-378 DFN", 0.7589),
    ("EuroSAT", "top1_accuracy", "ViT-L-14 OpenAI", 0.6263),
    ("BigEarthNet", "accuracy", "Llama3-MS-CLIP", 59.6),
    ("METER-ML", "map_at_100", "Llama3-MS-CLIP", 29.7),
    ("PatternCom", "map", "CLIP ViT-L-14, WeiCom, lambda 0.3", 25.03),
    ("PatternCom", "map", "RemoteCLIP ViT-L-14, text alone", 13.52),
    ("TCGA BRCA", "balanced_accuracy", "CONCH", 0.913),
    ("TCGA RCC", "balanced_accuracy", "PLIP", 0.804),
    ("TCGA NSCLC", "balanced_accuracy", "CLIP", 0.553),
    ("EBRAINS, 30 classes", "balanced_accuracy", "BiomedCLIP", 0.201),
    ("EBRAINS, 30 classes", "auroc", "CONCH", 0.941),
    ("CRC-100K-Raw", "balanced_accuracy", "Quilt-Net", 0.878),
    ("EBRAINS-F, 30 classes", "balanced_accuracy", "PLIP", 0.562),
    ("SkinCancer", "top1_accuracy", "QuiltNet", 45),
    ("LC25000 colon", "top1_accuracy", "BiomedCLIP", 91),
    ("SICAPv2", "top1_accuracy", "PLIP", 45),
    ("SkinTumor", "top1_accuracy", "QuiltNet", 58),
    ("CT-RATE", "f1", "CT-CLIP", 70.8),
    ("CT-RATE", "auroc", "ViSD-Boost", 79.0),
    ("CT-RATE", "recall_at_50", "CT-CLIP", 18.0),
    ("CT-RATE", "recall_at_100", "CT-CLIP v2, a user's run", 28.3),
    ("CT-RATE", "recall_at_10", "SPECTRE", 25.5),
    ("Merlin Abdominal CT", "recall_at_1", "Merlin", 19.4),
    ("Merlin, external test", "mean_f1", "Merlin", 0.647),
    ("ophthalmology tasks", "accuracy_gain", "BMC-CLIP", 17.5),
    ("DeepEyeNet", "text_to_image_recall_at_200", "Open-PMC-18M", 20.48),
    ("four external pathology sets", "weighted_f1", "PLIP", 0.832),
    ("MIMIC-5x200", "top1_accuracy", "MedCLIP-ViT", 0.502),
    ("BioCLIP ten sets, mean", "top1_accuracy", "BioCLIP", 39.4),
    ("BioCLIP 2 ten sets, mean", "top1_accuracy", "BioTrove-CLIP", 26.2),
    ("Rare Species", "top1_accuracy", "BioCLIP 2", 76.8),
    ("Birds 525", "top1_accuracy", "OpenCLIP", 54.7),
    ("Meta-Album Plankton", "top1_accuracy", "BioCLIP 2", 3.9),
    ("Meta-Album PlantNet", "top1_accuracy", "BioCLIP", 91.4),
    ("Meta-Album PlantNet", "top1_accuracy", "BioCLIP", 88.2),
    ("Meta-Album Fungi", "top1_accuracy", "BioCLIP trained on iNat21 alone", 43.0),
    ("NABirds", "top1_accuracy", "SigLIP", 61.7),
    ("IDLE-OO Camera Traps", "top1_accuracy", "BioTrove-CLIP", 10.7),
    ("Rare Species", "top1_accuracy", "CLIP", 26.6),
    ("Rare Species", "top1_accuracy", "BioCLIP", 65.7),
    ("FishNet, NeWT, AwA2, Herbarium19 and PlantDoc", "mean_score", "DINOv2", 47.3),
    ("INQUIRE-Fullrank", "ap_at_50", "DFN ViT-H-14-378, reranked", 47.1),
    ("INQUIRE-Fullrank", "ap_at_50", "BioCLIP", 3.6),
    ("INQUIRE-Rerank", "ap_at_50", "random order", 23.0),
    ("MIEB-lite", "task_count", "the benchmark itself", 51),
]
# how many figures the tables hold, counted by hand: remote sensing, medical, species, general
COUNTED = (9 + 4 + 6 + 6 + 4 + 2 + 8 + 3 + 3 + 2 + 10) + (
    12 + 4 + 6 + 36 + 5 + 3 + 12 + 6 + 2 + 4 + 6 + 4 + 4
) + (4 + 5 + 2 + 3 + 5 + 7 + 39 + 49 + 8) + 3  # fmt: skip


def named(result: ReferenceRecord) -> str:
    return result.name


@pytest.mark.parametrize(("dataset", "metric", "label", "value"), SPOT_CHECKS)
def test_a_figure_of_the_sources_is_in_the_registry(
    dataset: str, metric: str, label: str, value: float
) -> None:
    found = [
        result.value
        for result in RESULTS
        if (result.dataset, result.metric) == (dataset, metric)
        and result.model_label.startswith(label)
    ]
    assert value in found


def test_no_figure_was_left_out_or_added() -> None:
    assert len(RESULTS) == COUNTED


def test_the_intervals_of_the_slide_results_are_kept() -> None:
    found = {result.dataset: result.interval for result in RESULTS if result.interval}
    assert found == {
        "TCGA BRCA": (0.866, 0.960),
        "TCGA RCC": (0.860, 0.938),
        "TCGA NSCLC": (0.859, 0.948),
    }


@pytest.mark.parametrize(
    ("trust", "count"),
    # by hand: AID 2, TCGA 12, EBRAINS 4, CT-RATE 7 and 12, Merlin 6; then 1 + 2 + 4 + 4
    [("secondary", 2 + 12 + 4 + 7 + 12 + 6), ("memory", 1 + 2 + 4 + 4)],
)
def test_figures_not_read_at_their_source_are_marked(trust: str, count: int) -> None:
    assert sum(result.trust == trust for result in RESULTS) == count


@pytest.mark.parametrize("result", RESULTS, ids=named)
def test_a_result_names_a_registered_model_or_none(result: ReferenceRecord) -> None:
    if result.model is not None:
        family = REGISTRY.model(result.model).name.partition("_")[0].replace("medclip", "MedCLIP")
        label = result.model_label.casefold().replace("-", "").replace("llama3msclip", "llama3")
        assert family.casefold() in label or (family == "clip" and label.startswith("vit"))


def test_a_published_figure_is_never_one_of_a_set_or_model_that_we_measured() -> None:
    ours = {record.name for record in REGISTRY.datasets}
    ready = {record.name for record in REGISTRY.models if record.availability == "ready"}
    assert {result.dataset for result in RESULTS} & ours == set()
    assert {result.model for result in RESULTS} & ready == set()


def test_one_source_gives_a_measure_in_one_unit() -> None:
    units = defaultdict(set)
    for result in RESULTS:
        units[result.dataset, result.metric, result.source].add(result.unit)
    assert all(len(found) == 1 for found in units.values())


@pytest.mark.parametrize("result", RESULTS, ids=named)
def test_no_fraction_goes_for_a_percentage(result: ReferenceRecord) -> None:
    assert result.unit != "percent" or result.value >= 1  # 1.0: one class of 86 by chance


@pytest.mark.parametrize(
    ("dataset", "metric", "said"),
    [
        ("RSICD", "mean_recall", "five captions an image"),
        ("RSITMD", "mean_recall", "five captions an image"),
        ("UCM", "mean_recall", "five captions an image"),
        ("INQUIRE-Fullrank", "ap_at_50", "divided by min(number relevant, 50)"),
        ("INQUIRE-Rerank", "ap_at_50", "divided by min(number relevant, 50)"),
        ("TCGA BRCA", "balanced_accuracy", "best K"),
        ("Merlin Abdominal CT", "recall_at_1", "pools of"),
        ("Merlin Abdominal CT, internal test", "mean_f1", "labelled -1"),
        ("PatternCom", "map", "one query alone gives NaN"),
        ("CT-RATE", "recall_at_5", "pool of 1,564"),
    ],
)
def test_the_trap_of_a_protocol_is_said(dataset: str, metric: str, said: str) -> None:
    found = [r for r in RESULTS if (r.dataset, r.metric) == (dataset, metric)]
    assert found
    assert all(said in f"{result.protocol}; {result.note}" for result in found)


def test_the_trap_of_the_rescaled_ct_is_said_with_its_figures() -> None:
    of_paper = [r for r in RESULTS if r.dataset == "CT-RATE" and "18 findings" in r.protocol]
    assert all("HU already" in r.note for r in of_paper if r.trust == "secondary")


# The shape of a record.


def faults_of(**change: Any) -> str:
    with pytest.raises(RegistryError) as caught:
        parse_registry({"version": 1, "results": [RESULT | change]}, "file.yaml", FOLDER)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"unit": "fraction"}, "50.0 is no fraction: 0 to 1"),
        ({"value": 101.0}, "101.0 is no percent: 0 to 100"),
        ({"value": -1.0}, "-1.0 is no percent"),
        ({"interval": (60.0, 70.0)}, "the value 50.0 lies outside its interval"),
        ({"trust": "certain"}, "results.0.trust"),
        ({"unit": "%"}, "results.0.unit"),
        ({"protocol": ""}, "results.0.protocol"),
        ({"source": "a paper"}, "results.0.source"),
        ({"model": "no_model"}, "'my_result' is of the model 'no_model'; models has []"),
    ],
)
def test_a_record_that_cannot_be_true_is_refused(change: dict[str, Any], said: str) -> None:
    assert said in faults_of(**change)


def test_a_result_occurs_once() -> None:
    with pytest.raises(RegistryError, match="results has the same name twice: my_result"):
        parse_registry({"version": 1, "results": [RESULT, RESULT]}, "file.yaml", FOLDER)
