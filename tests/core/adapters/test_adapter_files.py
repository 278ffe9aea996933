"""The folder and the archive of an adapter: what goes in comes out, and nothing else does."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fieldguide.errors import AdapterError, UnknownNameError
from fieldguide.plugins import get_catalog
from fieldguide.tuning.adapter_files import export_adapter, load_adapter, save_adapter
from fieldguide.tuning.adapter_sources import is_plain_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.tuning.adapter import Adapter


def rewrite(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / "adapter.json"
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def sealed(folder: Path) -> None:
    """State the digest of the tensors as they are now: as somebody would who wants to deceive."""
    digest = hashlib.sha256((folder / "adapter.safetensors").read_bytes()).hexdigest()
    rewrite(folder, lambda content: content["files"].update({"adapter.safetensors": digest}))


def packed(folder: Path, path: Path, *extra: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("adapter.json", "adapter.safetensors", "card.md"):
            archive.write(folder / name, name)
        for member, content in extra:
            archive.writestr(member, content)
    return path


def test_what_was_saved_is_loaded_to_the_last_bit(adapter: Adapter, adapter_folder: Path) -> None:
    found = load_adapter(adapter_folder)

    assert found.digest == adapter.digest
    for name, change in adapter.changes.items():
        shape = torch.Size(
            [len(change.b), change.a.shape[1]] if hasattr(change, "a") else change.values.shape
        )
        assert torch.equal(found.changes[name].difference(shape), change.difference(shape))
    assert found.config.model_dump(exclude={"parameters"}) == adapter.config.model_dump(
        exclude={"parameters"}
    )
    assert found.config.parameters == tuple(sorted(adapter.changes))
    assert found.place == str(adapter_folder)


def test_a_probe_comes_back_with_its_labels(probe_adapter: Adapter, tmp_path: Path) -> None:
    found = load_adapter(save_adapter(probe_adapter, tmp_path / "probe"))

    assert found.classifier is not None and probe_adapter.classifier is not None
    assert found.classifier.labels == ("red", "green", "blue")
    assert torch.equal(found.classifier.weights, probe_adapter.classifier.weights)
    assert found.digest == probe_adapter.digest


def test_the_tensors_are_plain_safetensors_with_the_names_of_the_base(
    adapter: Adapter, adapter_folder: Path
) -> None:
    names = {name.rpartition("/")[0] for name in load_file(adapter_folder / "adapter.safetensors")}
    assert names == set(adapter.changes)


def test_the_record_states_the_sha256_of_every_other_file(adapter_folder: Path) -> None:
    content = json.loads((adapter_folder / "adapter.json").read_text("utf-8"))

    assert set(content["files"]) == {"adapter.safetensors", "card.md"}
    for name, digest in content["files"].items():
        assert hashlib.sha256((adapter_folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", ["adapter.safetensors", "card.md"])
def test_one_changed_byte_is_found(adapter_folder: Path, name: str) -> None:
    content = bytearray((adapter_folder / name).read_bytes())
    content[-1] ^= 1
    (adapter_folder / name).write_bytes(content)

    with pytest.raises(AdapterError, match=rf"{name} is not the file that was saved"):
        load_adapter(adapter_folder)


def test_a_folder_whose_writing_was_cut_is_no_adapter(adapter_folder: Path) -> None:
    (adapter_folder / "adapter.json").unlink()

    with pytest.raises(AdapterError, match=r"has no adapter\.json: it is no adapter, or writing"):
        load_adapter(adapter_folder)


def test_a_missing_file_is_named(adapter_folder: Path) -> None:
    (adapter_folder / "adapter.safetensors").unlink()

    with pytest.raises(AdapterError, match=r"adapter\.safetensors cannot be read"):
        load_adapter(adapter_folder)


def test_a_link_in_place_of_a_file_is_refused(adapter_folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (adapter_folder / "adapter.safetensors").rename(elsewhere)
    (adapter_folder / "adapter.safetensors").symlink_to(elsewhere)

    with pytest.raises(AdapterError, match="no plain file of the adapter"):
        load_adapter(adapter_folder)


def test_another_format_is_refused_with_both_named(adapter_folder: Path) -> None:
    rewrite(adapter_folder, lambda content: content.update(format=7))

    with pytest.raises(AdapterError, match=r"format 7 of adapters, and this fieldguide reads 1"):
        load_adapter(adapter_folder)


def test_an_unknown_field_of_the_record_is_named(adapter_folder: Path) -> None:
    rewrite(adapter_folder, lambda content: content["config"].update(surprise=1))

    with pytest.raises(AdapterError, match="surprise"):
        load_adapter(adapter_folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"format": 1}', b"\xff\xfe", b"[" * 9999])
def test_a_record_that_is_none_is_refused(adapter_folder: Path, content: bytes) -> None:
    (adapter_folder / "adapter.json").write_bytes(content)

    with pytest.raises(AdapterError, match=r"adapter\.json"):
        load_adapter(adapter_folder)


@pytest.mark.parametrize("name", ["../card.md", "/etc/passwd", "a/b", "..", "C:x", "nul.txt", ""])
def test_the_record_cannot_name_a_file_elsewhere(adapter_folder: Path, name: str) -> None:
    rewrite(adapter_folder, lambda content: content["files"].update({name: "0" * 64}))

    with pytest.raises(AdapterError, match="no plain file"):
        load_adapter(adapter_folder)
    assert not is_plain_name(name)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(adapter_folder: Path, value: float) -> None:
    tensors = load_file(adapter_folder / "adapter.safetensors")
    name = min(tensors)
    tensors[name].view(-1)[0] = value
    save_file(tensors, adapter_folder / "adapter.safetensors")
    sealed(adapter_folder)

    with pytest.raises(AdapterError, match="not finite"):
        load_adapter(adapter_folder)


def test_tensors_of_another_adapter_are_refused(adapter_folder: Path) -> None:
    tensors = load_file(adapter_folder / "adapter.safetensors")
    moved = {name.replace("resblocks.0", "resblocks.1"): tensor for name, tensor in tensors.items()}
    save_file(moved, adapter_folder / "adapter.safetensors")
    sealed(adapter_folder)

    with pytest.raises(AdapterError, match="belongs to another adapter"):
        load_adapter(adapter_folder)


@pytest.mark.parametrize("name", ["x", "x/unknown", "x/low_rank_b", "classifier/weights"])
def test_a_tensor_too_many_is_refused(adapter_folder: Path, name: str) -> None:
    tensors = load_file(adapter_folder / "adapter.safetensors")
    save_file(tensors | {name: torch.ones(2)}, adapter_folder / "adapter.safetensors")
    sealed(adapter_folder)

    with pytest.raises(AdapterError, match=rf"holds '{name}'"):
        load_adapter(adapter_folder)


def test_a_pickle_is_never_read(adapter_folder: Path) -> None:
    torch.save({"x": torch.ones(1)}, adapter_folder / "adapter.safetensors")
    sealed(adapter_folder)

    with pytest.raises(AdapterError, match="cannot be read"):
        load_adapter(adapter_folder)


def test_figures_that_are_not_finite_are_not_written(
    make_adapter: Callable[..., Adapter], tmp_path: Path
) -> None:
    broken = make_adapter(figures={"gain": float("nan")})

    with pytest.raises(AdapterError, match="cannot be written as JSON"):
        save_adapter(broken, tmp_path / "broken")
    assert list(tmp_path.iterdir()) == []  # nothing is left of the attempt


def test_an_archive_holds_the_adapter_and_can_be_used_as_it_is(
    adapter: Adapter, adapter_folder: Path, tmp_path: Path
) -> None:
    (adapter_folder / "checkpoint.pt").write_bytes(b"not part of it")
    path = export_adapter(adapter_folder, tmp_path / "tiles.zip")

    assert load_adapter(path).digest == adapter.digest
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["adapter.json", "adapter.safetensors", "card.md"]


def test_an_archive_becomes_the_same_folder_again(adapter_folder: Path, tmp_path: Path) -> None:
    path = export_adapter(adapter_folder, tmp_path / "tiles.zip")
    folder = export_adapter(path, tmp_path / "again")

    for name in ("adapter.json", "adapter.safetensors", "card.md"):
        assert (folder / name).read_bytes() == (adapter_folder / name).read_bytes()


def test_the_same_adapter_gives_the_same_archive(adapter_folder: Path, tmp_path: Path) -> None:
    first = export_adapter(adapter_folder, tmp_path / "a.zip").read_bytes()
    assert export_adapter(adapter_folder, tmp_path / "b.zip").read_bytes() == first


def test_an_export_never_writes_over_something(adapter_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_text("mine")

    with pytest.raises(AdapterError, match="exists"):
        export_adapter(adapter_folder, tmp_path / "mine.zip")
    assert (tmp_path / "mine.zip").read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/evil.txt", "sub/evil.txt", "..\\evil.txt", "C:evil", ".hidden", "e\0v"],
)
def test_an_archive_with_a_member_that_would_lie_elsewhere_is_refused(
    adapter_folder: Path, tmp_path: Path, name: str
) -> None:
    member = zipfile.ZipInfo("placeholder")
    member.filename = name
    path = packed(adapter_folder, tmp_path / "evil.zip", (member, b"x"))

    with pytest.raises(AdapterError, match="would lie elsewhere"):
        load_adapter(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["card.md", "CARD.md"])
def test_an_archive_with_a_name_twice_is_refused(
    adapter_folder: Path, tmp_path: Path, name: str
) -> None:
    path = packed(adapter_folder, tmp_path / "twice.zip", (name, b"other"))

    with pytest.raises(AdapterError, match="twice"):
        load_adapter(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFDIR])
def test_an_archive_with_a_link_or_device_is_refused(
    adapter_folder: Path, tmp_path: Path, kind: int
) -> None:
    member = zipfile.ZipInfo("link.txt")
    member.external_attr = (kind | 0o777) << 16
    path = packed(adapter_folder, tmp_path / "link.zip", (member, b"/etc/passwd"))

    with pytest.raises(AdapterError, match="link or device"):
        load_adapter(path)


def test_a_bomb_is_refused_before_it_is_unpacked(adapter_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(adapter_folder / "adapter.json", "adapter.json")
        archive.writestr("adapter.safetensors", bytes(70 * 2**20))

    with pytest.raises(AdapterError, match="would unpack to"):
        load_adapter(path)


def test_a_member_that_states_a_wrong_size_is_refused(adapter_folder: Path, tmp_path: Path) -> None:
    path = packed(adapter_folder, tmp_path / "lie.zip")
    content = path.read_bytes()
    size = len((adapter_folder / "card.md").read_bytes())
    place = content.rindex(b"PK\x01\x02")  # the last entry of the directory is that of card.md
    lie = content[place + 20 : place + 28]
    assert lie == np.array([size, size], "<u4").tobytes()
    changed = content[: place + 24] + np.uint32(size + 3).tobytes() + content[place + 28 :]
    path.write_bytes(changed)

    with pytest.raises(AdapterError, match=r"card\.md"):
        load_adapter(path)


def test_too_many_files_are_refused(adapter_folder: Path, tmp_path: Path) -> None:
    extra = [(f"f{number}.txt", b"") for number in range(300)]
    path = packed(adapter_folder, tmp_path / "many.zip", *extra)

    with pytest.raises(AdapterError, match="no adapter has so many"):
        load_adapter(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_a_cut_archive_is_refused(adapter_folder: Path, tmp_path: Path, share: float) -> None:
    path = packed(adapter_folder, tmp_path / "cut.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(AdapterError, match="no complete zip archive"):
        load_adapter(path)


def test_every_changed_byte_of_an_archive_is_an_adapter_error_or_changes_nothing(
    adapter: Adapter, adapter_folder: Path, tmp_path: Path
) -> None:
    path = packed(adapter_folder, tmp_path / "flipped.zip")
    content = path.read_bytes()
    places = np.random.default_rng(0).integers(0, len(content), 150)
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 0x55
        path.write_bytes(changed)
        try:
            found = load_adapter(path)
        except AdapterError:
            continue
        assert found.digest == adapter.digest
        assert found.config.model_dump(exclude={"parameters"}) == adapter.config.model_dump(
            exclude={"parameters"}
        )


def test_an_unknown_name_says_what_there_is_and_the_next_command() -> None:
    with pytest.raises(UnknownNameError, match=r"No adapter is named 'nosuch'.*\n.*adapters"):
        load_adapter("nosuch", get_catalog())


def test_another_file_is_no_adapter(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"x")

    with pytest.raises(AdapterError, match="is no adapter"):
        load_adapter(path)
