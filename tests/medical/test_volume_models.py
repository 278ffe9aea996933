"""Models of volumes from a YAML file, from files of voxels to answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import nibabel as nib
import numpy as np
import pytest
import torch
from click.testing import CliRunner

import fieldguide
from fieldguide.cli import cli
from fieldguide.errors import UnknownNameError, UsageError
from fieldguide.guides import Guide
from fieldguide.models.computing import image_side
from fieldguide.models.load import load_encoder, named_model
from fieldguide.plugins import get_catalog
from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.models.volume_encoder import VolumeEncoder

CONTRACT = """contract:
  spacing_mm: [2, 2, 4]
  size: [32, 32, 6]
  windows: [lung, mediastinum, bone]
  output: [0, 1]
"""
SLICES = f"base: ./base\npooling: mean\n{CONTRACT}"
INFLATED = f"base: ./base\ninflate: {{kernel: mean, patch_depth: 2}}\n{CONTRACT}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny_checkpoint(tmp_path / "base", architecture="vit")
    (tmp_path / "slices.yaml").write_text(SLICES)
    (tmp_path / "inflated.yaml").write_text(INFLATED)
    return tmp_path


def write_ct(path: Path, seed: int, *, ball: bool) -> Path:
    """Write a chest of lung and muscle, with a ball of soft tissue in it or not."""
    generator = np.random.default_rng(seed)
    voxels = generator.normal(-700, 30, (32, 32, 8)).astype(np.int16)
    voxels[:, :8] = 40
    if ball:
        x, y = generator.integers(10, 22, 2)
        places = np.indices(voxels.shape)
        far = (places[0] - x) ** 2 + (places[1] - y) ** 2 + ((places[2] - 4) * 2) ** 2
        voxels[far < 36] = 60
    nib.save(nib.Nifti1Image(voxels, np.diag([2, 2, 4, 1])), path)
    return path


def encoder_of(path: Path) -> VolumeEncoder:
    catalog = get_catalog()
    built = load_encoder(named_model(str(path), catalog), catalog, torch.device("cpu"))
    return cast("VolumeEncoder", built)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", ["slices.yaml", "inflated.yaml"])
def test_volumes_are_classified_embedded_indexed_and_found(name: str, folder: Path) -> None:
    with_ball, without = (write_ct(folder / f"{n}.nii.gz", n, ball=n == 0) for n in (0, 1))
    guide = Guide("medical", modality="ct_volume", model=str(folder / name), show_paths=True)
    rows = guide.classify([with_ball, without], ["a ball", "nothing"])
    assert [row.status for row in rows] == ["ok", "ok"]
    guide.embed([with_ball, without], folder / "ct.parquet")
    index = guide.index([with_ball, without], folder / "ct.fg")
    first = index.search(image=without, k=2)[0]
    assert first.path == str(without)
    assert first.similarity == pytest.approx(1, abs=1e-5)
    assert len(index.search("a ball", k=2)) == 2


def test_the_command_line_takes_the_same_file(folder: Path) -> None:
    path = write_ct(folder / "a.nii.gz", 0, ball=True)
    result = run("classify", path, "--domain", "medical", "--model", folder / "slices.yaml",
                 "--label", "a ball", "--label", "nothing", "-o", folder / "rows.csv")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "repaired: cropped" in (folder / "rows.csv").read_text()


def test_a_model_of_pictures_with_a_scope_needs_the_users_word(folder: Path) -> None:
    path = write_ct(folder / "a.nii.gz", 0, ball=True)
    model = folder / "scoped.yaml"
    model.write_text(SLICES.replace("./base", "embedded_conse").replace("32, 32", "224, 224"))
    command = ("classify", path, "--domain", "medical", "--model", model, "--label", "a", "--label",
               "b", "--output", folder / "rows.csv")  # fmt: skip
    assert run(*command).exit_code == 1
    assert "not for a CT volume" in (folder / "rows.csv").read_text()
    assert run(*command, "--out-of-scope").exit_code == 0
    assert "out_of_scope" in (folder / "rows.csv").read_text()


def test_a_volume_is_encoded_once_however_many_labels_there_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldguide.models.volumes import VolumeTower

    seen: list[tuple[int, ...]] = []
    forward = VolumeTower.forward

    def counting(self: VolumeTower, volumes: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(volumes.shape))
        return forward(self, volumes)

    monkeypatch.setattr(VolumeTower, "forward", counting)
    path = write_ct(folder / "a.nii.gz", 0, ball=True)
    guide = fieldguide.guide("medical", modality="ct_volume", model=str(folder / "slices.yaml"))
    guide.classify([path], [f"finding {number}" for number in range(18)])
    assert seen == [(1, 3, 32, 32, 6)]


def test_one_volume_is_a_step_unless_the_user_says_otherwise(folder: Path) -> None:
    encoder = encoder_of(folder / "slices.yaml")
    side = image_side(encoder, get_catalog().backends["torch"], "auto")
    assert side.for_job(100, None).batch_size == 1
    assert side.for_job(100, 4).batch_size == 4


def test_other_backends_are_of_pictures(folder: Path) -> None:
    encoder = encoder_of(folder / "slices.yaml")
    with pytest.raises(UsageError, match="takes volumes"):
        image_side(encoder, get_catalog().backends["onnx"], "auto")


def test_the_space_depends_on_the_base_the_contract_and_the_way(folder: Path) -> None:
    other_window = SLICES.replace("bone", "liver")
    (folder / "liver.yaml").write_text(other_window)
    (folder / "top.yaml").write_text(SLICES.replace("mean", "{top: 2}"))
    (folder / "attention.yaml").write_text(SLICES.replace("mean", "attention"))
    names = ("slices", "inflated", "liver", "top", "attention")
    digests = {encoder_of(folder / f"{name}.yaml").space.digest for name in names}
    assert len(digests) == len(names)
    assert encoder_of(folder / "slices.yaml").space.digest in digests


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SLICES.replace("mean", "median"), "pooling"),
        (SLICES.replace("mean", "{top: 0}"), "greater than or equal to 1"),
        (SLICES + "inflate: mean\n", "one of them"),
        (INFLATED.replace("mean", "middle"), "kernel"),
        (SLICES.replace("lung", "lungs"), "the window 'lungs'"),
        ("base: ./base\npooling: mean\n", "contract: Field required"),
        ("base: slices.yaml\npooling: mean\ncontract: chest_slices\n", "from another model"),
        (f"pooling: mean\n{CONTRACT}", "base: Field required"),
    ],
)
def test_a_file_that_describes_no_model_is_refused(content: str, said: str, folder: Path) -> None:
    (folder / "wrong.yaml").write_text(content)
    with pytest.raises(UsageError, match=said):
        named_model(str(folder / "wrong.yaml"), get_catalog())


def test_a_base_that_is_not_there_is_said(folder: Path) -> None:
    (folder / "wrong.yaml").write_text(SLICES.replace("./base", "embedded_consee"))
    with pytest.raises(UnknownNameError, match="embedded_conse"):
        named_model(str(folder / "wrong.yaml"), get_catalog())


@pytest.mark.parametrize(
    ("model", "method", "options"),
    [
        ("slices.yaml", "probe", ()),
        ("slices.yaml", "projector", ()),
        ("attention.yaml", "lora", ("--batch-size", "4", "--epochs", "1")),
        ("inflated.yaml", "finetune", ("--batch-size", "4", "--epochs", "1")),
    ],
)
def test_models_of_volumes_are_tuned(
    model: str, method: str, options: tuple[str, ...], folder: Path
) -> None:
    (folder / "attention.yaml").write_text(SLICES.replace("mean", "attention"))
    lines = ["path,label,split"]
    for number in range(16):
        path = write_ct(folder / f"{number}.nii.gz", number, ball=number % 2 == 0)
        split = ("train", "train", "val", "test")[number // 4]
        lines.append(f"{path.name},{('ball', 'clear')[number % 2]},{split}")
    (folder / "rows.csv").write_text("\n".join(lines))
    result = run("tune", folder / "rows.csv", "--domain", "medical", "--modality", "ct_volume",
                 "--model", folder / model, "--method", method, "--label-column", "label",
                 "--output", folder / "adapter", *options)  # fmt: skip
    assert result.exit_code == 0, result.output
    guide = fieldguide.guide("medical", modality="ct_volume", adapter=str(folder / "adapter"))
    rows = guide.classify([folder / "0.nii.gz"], ["ball", "clear"])
    assert rows[0].status == "ok", rows[0].reason


def test_symmetries_of_pictures_are_refused_for_volumes(folder: Path) -> None:
    path = write_ct(folder / "0.nii.gz", 0, ball=True)
    (folder / "rows.csv").write_text(f"path,label\n{path.name},ball\n")
    result = run("tune", folder / "rows.csv", "--domain", "medical", "--modality", "ct_volume",
                 "--model", folder / "slices.yaml", "--label-column", "label", "--set",
                 "symmetries=mirror", "--output", folder / "adapter")  # fmt: skip
    assert result.exit_code != 0
