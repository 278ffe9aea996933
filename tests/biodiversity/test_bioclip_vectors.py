"""Text vectors that BioCLIP publishes are label vectors; the test makes some in its format."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import UsageError
from fieldguide.taxonomy.tree_file import read_tree
from fieldguide.tiny_checkpoints import model_config, write_checkpoint
from fieldguide.zeroshot.given_vectors import read_given_vectors
from fieldguide_biodiversity.checklists.bioclip_vectors import import_bioclip_vectors

if TYPE_CHECKING:
    from pathlib import Path

BIRDS = ["Animalia", "Chordata", "Aves", "Passeriformes"]
NAMES: list[Any] = [
    [[*BIRDS, "Turdidae", "Turdus", "merula"], "Common Blackbird"],
    [["Plantae", "", "", "", "Apiaceae", "Oenanthe", "crocata"], ""],
    [[*BIRDS, "Muscicapidae", "Oenanthe", "oenanthe"], "Northern Wheatear"],
    [[*BIRDS, "Turdidae", "Turdus", ""], "thrushes"],
    [[*BIRDS, "Turdidae", "Turdus", "merula"], "Blackbird"],
    [[*BIRDS, "", "Corvus", "corax"], ""],
]
DIM = 32


def columns(count: int = len(NAMES), dim: int = DIM) -> np.ndarray:
    """Return (D, C), whose columns are not quite of unit length."""
    found = np.random.default_rng(0).standard_normal((dim, count)).astype(np.float32)
    return np.asarray(1.01 * found / np.linalg.norm(found, axis=0), np.float32)


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, Path]:
    vectors, names = tmp_path / "txt_emb_species.npy", tmp_path / "txt_emb_species.json"
    np.save(vectors, columns())
    names.write_text(json.dumps(NAMES))
    return vectors, names


def test_each_taxon_has_the_vector_of_its_column_in_the_order_of_the_tree(
    published: tuple[Path, Path], tmp_path: Path
) -> None:
    made = import_bioclip_vectors(*published, tmp_path / "tol.tree")
    tree = read_tree(tmp_path / "tol.tree")
    given = read_given_vectors(tmp_path / "tol.npy")

    assert (made.labels, made.dim, made.merged, made.nameless) == (5, DIM, 1, 0)
    assert given.nodes(tree).tolist() == sorted(given.nodes(tree).tolist())
    found = dict(zip(given.names.to_pylist(), given.vectors, strict=True))
    source = columns()
    both = unit(unit(source[:, 0]) + unit(source[:, 4]))
    for name, expected in (
        ("Turdus merula", both),
        ("Oenanthe crocata", unit(source[:, 1])),
        ("Oenanthe oenanthe", unit(source[:, 2])),
        ("Turdus", unit(source[:, 3])),
        ("Corvus corax", unit(source[:, 5])),
    ):
        np.testing.assert_allclose(found[name], expected, atol=1e-6)


def test_gaps_and_homonyms_and_common_names_are_kept(
    published: tuple[Path, Path], tmp_path: Path
) -> None:
    tree = import_bioclip_vectors(*published, tmp_path / "tol.tree").tree
    names = tree.names.to_pylist()
    assert names.count("Oenanthe") == 2
    raven = tree.record(names.index("Corvus corax"))
    assert list(raven) == ["kingdom", "phylum", "class", "order", "genus", "species"]
    assert [name for _, name in tree.common_names(names.index("Turdus merula"))] == [
        "Common Blackbird",
        "Blackbird",
    ]


def test_photos_are_named_by_the_vectors_alone_as_softmax_says(
    published: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")
    model = write_checkpoint(tmp_path / "model", model_config("vit"))
    Image.new("RGB", (40, 40), (10, 90, 30)).save(tmp_path / "a.png")
    import_bioclip_vectors(*published, tmp_path / "tol.tree")
    out = tmp_path / "out.csv"
    common = ["--domain", "biodiversity", "--modality", "organism_photo", "--model", str(model)]
    chosen = ["--taxonomy", tmp_path / "tol.tree", "--label-vectors", tmp_path / "tol.npy"]

    result = CliRunner().invoke(
        cli, ["classify", str(tmp_path / "a.png"), *common, *map(str, chosen), "--clade", "Aves",
              "--top", "9", "-o", str(out)]
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    guide = fg.guide("biodiversity", modality="organism_photo", model=str(model))
    items = guide.find([tmp_path / "a.png"])
    plan = guide.planner.plan(items, thumbnails=False)
    (batch,) = guide.encode(items, plan)
    encoder = plan.encoder
    assert encoder is not None and batch.embeddings is not None
    (image,) = batch.embeddings.vectors
    source = columns()
    birds = {
        "Turdus merula": unit(source[:, 0]) + unit(source[:, 4]),
        "Oenanthe oenanthe": source[:, 2],
        "Turdus": source[:, 3],
        "Corvus corax": source[:, 5],
    }
    weights = {n: np.exp(encoder.logit_scale * float(image @ unit(v))) for n, v in birds.items()}
    with out.open(encoding="utf-8") as stream:
        found = {row["label"]: float(row["probability"]) for row in csv.DictReader(stream)}
    assert found.keys() == birds.keys()
    for name, weight in weights.items():
        assert found[name] == pytest.approx(weight / sum(weights.values()), abs=1e-4)


def test_a_model_with_vectors_of_another_length_is_refused(
    published: tuple[Path, Path], tmp_path: Path
) -> None:
    np.save(published[0], columns(dim=8))
    import_bioclip_vectors(*published, tmp_path / "tol.tree")
    model = write_checkpoint(tmp_path / "model", model_config("vit"))
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    guide = fg.guide("biodiversity", modality="organism_photo", model=str(model))
    taxa = fg.taxa(
        "biodiversity", taxonomy=tmp_path / "tol.tree", label_vectors=tmp_path / "tol.npy"
    )
    with pytest.raises(UsageError, match=r"vectors of 8 numbers, and .* makes vectors of 32"):
        guide.classify([tmp_path / "a.png"], taxa=taxa)


def test_vectors_of_another_tree_are_refused(published: tuple[Path, Path], tmp_path: Path) -> None:
    import_bioclip_vectors(*published, tmp_path / "tol.tree")
    other = [[[*BIRDS, "Corvidae", "Pica", f"p{place}"], ""] for place in range(len(NAMES))]
    published[1].write_text(json.dumps(other))
    import_bioclip_vectors(*published, tmp_path / "other.tree")
    with pytest.raises(UsageError, match="vectors of other taxa than those of"):
        fg.taxa(
            "biodiversity", taxonomy=tmp_path / "tol.tree", label_vectors=tmp_path / "other.npy"
        )


def test_templates_beside_vectors_are_refused(published: tuple[Path, Path], tmp_path: Path) -> None:
    import_bioclip_vectors(*published, tmp_path / "tol.tree")
    with pytest.raises(UsageError, match="Leave --text-type and --template out"):
        fg.taxa(
            "biodiversity",
            taxonomy=tmp_path / "tol.tree",
            label_vectors=tmp_path / "tol.npy",
            templates=["a photo of {}."],
        )


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (NAMES[:-1], "has 6 columns, and .* names 5"),
        ([*NAMES[:-1], [["Animalia", "Aves"], ""]], "entry 5 is not"),
        ({"names": NAMES}, "no JSON list"),
        ([[[""] * 7, ""]] * 6, "has no names"),
    ],
)
def test_names_that_do_not_fit_are_refused(
    published: tuple[Path, Path], tmp_path: Path, names: Any, complaint: str
) -> None:
    published[1].write_text(json.dumps(names))
    with pytest.raises(UsageError, match=complaint):
        import_bioclip_vectors(*published, tmp_path / "tol.tree")
    assert not list(tmp_path.glob("tol*"))


@pytest.mark.parametrize("text", ["[[[", "[" * 100_000, '[[["a"', ""])
def test_damaged_names_are_refused(published: tuple[Path, Path], tmp_path: Path, text: str) -> None:
    published[1].write_text(text)
    with pytest.raises(UsageError, match=r"JSON|cut off"):
        import_bioclip_vectors(*published, tmp_path / "tol.tree")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_column_without_a_direction_is_named(
    published: tuple[Path, Path], tmp_path: Path, value: float
) -> None:
    matrix = columns()
    matrix[:, 2] = value
    np.save(published[0], matrix)
    with pytest.raises(UsageError, match=r"Column 2 of .* no direction"):
        import_bioclip_vectors(*published, tmp_path / "tol.tree")
    assert not list(tmp_path.glob("tol*"))


def test_a_matrix_that_was_changed_or_cut_is_refused(
    published: tuple[Path, Path], tmp_path: Path
) -> None:
    import_bioclip_vectors(*published, tmp_path / "tol.tree")
    path = tmp_path / "tol.npy"
    matrix = np.load(path)
    np.save(path, 2 * matrix)
    with pytest.raises(UsageError, match=r"Row 0 of .* has the length 2, not 1"):
        read_given_vectors(path)
    np.save(path, matrix[:-1])
    with pytest.raises(UsageError, match=r"has 4 rows, and its .csv names 5"):
        read_given_vectors(path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UsageError, match=r"tol\.npy cannot be read"):
        read_given_vectors(path)


def test_objects_are_never_unpickled(published: tuple[Path, Path], tmp_path: Path) -> None:
    np.save(published[0], np.array([[{"a": 1}]], object), allow_pickle=True)
    with pytest.raises(UsageError, match="cannot be read"):
        import_bioclip_vectors(*published, tmp_path / "tol.tree")


def test_the_command_says_what_it_wrote(published: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = [published[0], "--names", published[1], "-o", tmp_path / "tol.tree"]
    result = CliRunner().invoke(cli, ["biodiversity", "taxonomy", "vectors", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "tol.npy: 5 labels of 32 numbers" in result.output
    assert "1 columns with the names of another one: their mean" in result.output
