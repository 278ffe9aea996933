"""Finding a data set in its own layout: whole, partial, absent, or with something added."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from fieldguide.errors import UsageError
from fieldguide.zeroshot.class_sets import bare, load_class_set

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.benchmarks.labelled import ClassFolders

OAK = "Leaves/Images/OakLeaf"


def test_folders_are_found_by_label_and_by_alias(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    found = leaves.find(root, catalog)
    assert found.labels == ("oak leaf",) * 3 + ("elm or ash",) * 2
    assert [item.path.name for item in found.items if item.path] == [
        "0.jpg", "1.jpg", "2.jpg", "0.jpg", "1.jpg",
    ]  # fmt: skip
    assert [item.metadata["label"] for item in found.items] == list(found.labels)
    assert found.whole == 5


def test_the_class_folders_may_be_the_root_itself(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    assert len(leaves.find(root / "Leaves/Images", catalog).items) == 5


def test_a_partial_set_is_refused_and_says_what_is_missing(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    (root / OAK / "1.jpg").unlink()
    with pytest.raises(UsageError, match=r"4 of 5 images \(oak leaf 2 of 3\).*--subset"):
        leaves.find(root, catalog)


def test_a_missing_class_counts_as_none_of_its_images(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    shutil.rmtree(root / OAK)
    with pytest.raises(UsageError, match=r"2 of 5 images \(oak leaf 0 of 3\)"):
        leaves.find(root, catalog)
    assert leaves.find_subset(root, catalog).labels == ("elm or ash",) * 2


def test_a_subset_knows_how_large_the_set_is(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    (root / OAK / "1.jpg").unlink()
    found = leaves.find_subset(root, catalog)
    assert (len(found.items), found.whole) == (4, 5)


def test_a_set_with_more_images_than_published_is_not_that_set(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    (root / OAK / "3.jpg").touch()
    for look in (leaves.find, leaves.find_subset):
        with pytest.raises(UsageError, match=r"not Leaves as it was published.*oak leaf 4 of 3"):
            look(root, catalog)


def test_other_files_and_hidden_ones_are_no_images(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    for name in ("Thumbs.db", ".0.jpg", "readme.txt"):
        (root / OAK / name).touch()
    assert len(leaves.find(root, catalog).items) == 5


@pytest.mark.parametrize("made", [(), ("other/a.txt",)])
def test_a_folder_without_the_set_says_what_it_holds_and_how_to_get_it(
    leaves: ClassFolders, tmp_path: Path, catalog: Any, made: tuple[str, ...]
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in made:
        (folder / name).parent.mkdir()
        (folder / name).touch()
    found = "it holds other" if made else "it is empty"
    with pytest.raises(UsageError, match=f"no copy of Leaves: {found}.*Leaves/Images/.*how-to-get"):
        leaves.find(folder, catalog)


def test_a_root_that_is_no_folder_is_named(
    leaves: ClassFolders, tmp_path: Path, catalog: Any
) -> None:
    with pytest.raises(UsageError, match=r"nowhere holds no copy .* it is no folder"):
        leaves.find(tmp_path / "nowhere", catalog)


def test_links_that_lead_to_themselves_are_no_folders(
    leaves: ClassFolders, root: Path, catalog: Any
) -> None:
    loop = root / "Leaves/Images/oak_leaf"
    loop.symlink_to(loop)
    assert len(leaves.find(root, catalog).items) == 5


@pytest.mark.parametrize("name", ["bare_land", "BareLand", "Bare Land", "bareland", "bare-land"])
def test_spellings_of_a_folder_are_one(name: str) -> None:
    assert bare(name) == "bareland"


def write(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


HEAD = "name: n\nversion: '1'\nsource: s\nlicence: CC0-1.0\n"


def test_an_alias_of_two_classes_is_refused(tmp_path: Path, catalog: Any) -> None:
    text = (
        HEAD
        + "templates: ['{}']\nclasses:\n"
        + "".join(
            f"- {{label: {label}, names: [x], aliases: [{alias}]}}\n"
            for label, alias in (("a", "aOak"), ("b", "a_oak"))
        )
    )
    with pytest.raises(UsageError, match="'a_oak' is an alias of 'a' and of 'b'"):
        load_class_set(write(tmp_path / "c.yaml", text), catalog)


def test_templates_are_read_from_the_file_that_is_named(tmp_path: Path, catalog: Any) -> None:
    write(tmp_path / "t.yaml", "- 'a {}.'\n- 'the {}.'\n")
    text = HEAD + "templates_file: t.yaml\nclasses:\n- {label: a, names: [x]}\n"
    found = load_class_set(write(tmp_path / "c.yaml", text), catalog)
    assert found.prompts() == {"a": ["a x.", "the x."]}


@pytest.mark.parametrize("named", ["../t.yaml", "/etc/passwd", "none.yaml"])
def test_a_templates_file_outside_or_absent_is_refused(
    tmp_path: Path, catalog: Any, named: str
) -> None:
    text = HEAD + f"templates_file: {named}\nclasses:\n- {{label: a, names: [x]}}\n"
    with pytest.raises(UsageError, match=r"c\.yaml cannot be read"):
        load_class_set(write(tmp_path / "c.yaml", text), catalog)
