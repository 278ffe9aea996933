"""Other ways to run the image side: they give torch's vectors, or they are refused."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import fieldguide as fg
from fieldguide.cli import cli
from fieldguide.errors import BackendError, MissingExtraError, UnknownNameError, UsageError
from fieldguide.hookspecs import hookimpl
from fieldguide.models.backends.compiled import PaddedTower
from fieldguide.models.backends.converted import DIGESTS, converted
from fieldguide.models.computing import image_side
from fieldguide.models.load import named_model
from fieldguide.models.openclip import build_open_clip
from fieldguide.models.probing import probe_images
from fieldguide.plugins import get_catalog
from fieldguide.specs import BackendSpec
from fieldguide.testing import check_plugin, write_tiny_checkpoint
from fieldguide.tiny_checkpoints import model_config, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CPU = torch.device("cpu")
BACKENDS = get_catalog().backends
CONVERTERS = ["openvino", "onnx"]
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module", params=["vit", "siglip", "coca", "resnet", "timm_convnext"])
def open_clip_encoder(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Any:
    config = model_config(request.param)
    if request.param == "siglip":
        # OpenVINO has no resampling of position embeddings, which timm exports with test_vit
        config["vision_cfg"] |= {"timm_model_name": "test_vit3"}
    folder = write_checkpoint(tmp_path_factory.mktemp("m") / "m", config)
    return build_open_clip(named_model(str(folder), get_catalog()), CPU)


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of backends that someone else wrote."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "strange_backends.py").write_text(
        "import torch\n"
        "def good(module, example, *, dtype, device, folder):\n"
        "    return lambda pixels: module(pixels).detach()\n"
        "def wrong(module, example, *, dtype, device, folder):\n"
        "    return lambda pixels: module(pixels.flip(1)).detach()  # blue, green, red\n"
        "def fails(module, example, *, dtype, device, folder):\n"
        "    raise KeyError('no such layer')\n"
        "def breaks(module, example, *, dtype, device, folder):\n"
        "    def tower(pixels):\n"
        "        raise RuntimeError('illegal instruction')\n"
        "    return tower\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield lambda name: BackendSpec(
        name=name, summary="x", target=f"strange_backends:{name}", packages=("torch",)
    )
    sys.modules.pop("strange_backends", None)


def features(encoder: Any, backend: BackendSpec, images: Tensor) -> np.ndarray:
    tower = image_side(encoder, backend, "fp32").tower("fp32")
    result: np.ndarray = tower(images).numpy()
    return result


# --- the same vectors


@pytest.mark.parametrize("backend", CONVERTERS)
def test_features_equal_torchs_at_every_size_of_batch(open_clip_encoder: Any, backend: str) -> None:
    images = probe_images(3, *open_clip_encoder.contract.size_px, count=5)
    exact = open_clip_encoder.image_tower(images).numpy()
    tower = image_side(open_clip_encoder, BACKENDS[backend], "fp32").tower("fp32")
    for count in (1, 2, 5):
        found = tower(images[:count])
        assert found.dtype == torch.float32
        assert np.allclose(found.numpy(), exact[:count], atol=TOLERANCE * np.abs(exact).max())


@pytest.mark.parametrize("backend", CONVERTERS)
def test_the_embedded_model_runs_on_every_backend(backend: str) -> None:
    catalog = get_catalog()
    record = catalog.registry.model("embedded_conse")
    encoder = catalog.models[record.architecture].load()(record, CPU)
    images = probe_images(3, 224, 224, count=3)
    exact = encoder.image_tower(images).numpy()
    found = features(encoder, catalog.backends[backend], images)
    assert np.allclose(found, exact, atol=TOLERANCE * np.abs(exact).max())


def test_openvino_computes_in_the_type_it_is_told(make_encoder: Any) -> None:
    encoder = make_encoder()
    images = probe_images(3, 32, 32)
    exact = encoder.image_tower(images)
    side = image_side(encoder, BACKENDS["openvino"], "bf16")
    error = {
        name: float((side.tower(name)(images) - exact).abs().max()) for name in ("fp32", "bf16")
    }
    assert error["fp32"] < TOLERANCE * float(exact.abs().max())
    if "amx_bf16" in flags() or "avx512_bf16" in flags():
        assert error["bf16"] > 10 * error["fp32"]


def flags() -> set[str]:
    from fieldguide.machine import cpu_flags

    return cpu_flags()


@pytest.mark.parametrize("backend", CONVERTERS)
def test_pixels_need_not_lie_in_memory_in_their_order(make_encoder: Any, backend: str) -> None:
    encoder = make_encoder()
    images = probe_images(3, 32, 32, count=4)
    last = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # as the pipeline gives it
    side = image_side(encoder, BACKENDS[backend], "fp32").tower("fp32")
    assert torch.equal(side(last), side(images))


# --- what is kept


@pytest.mark.parametrize("backend", CONVERTERS)
def test_a_model_is_converted_once(make_encoder: Any, backend: str) -> None:
    images = probe_images(3, 32, 32, count=4)
    first = features(make_encoder(), BACKENDS[backend], images)
    again = make_encoder()

    def cannot_be_traced(pixels: Tensor) -> Tensor:
        raise AssertionError("converted again")

    again.image_module.forward = cannot_be_traced
    assert np.array_equal(features(again, BACKENDS[backend], images), first)


@pytest.mark.parametrize("backend", CONVERTERS)
@pytest.mark.parametrize("damage", ["weights", "digests", "missing"])
def test_a_damaged_conversion_is_made_again(
    make_encoder: Any, backend: str, damage: str, cache: Path
) -> None:
    images = probe_images(3, 32, 32, count=4)
    first = features(make_encoder(), BACKENDS[backend], images)
    (folder,) = (cache / "backends").iterdir()
    largest = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    if damage == "missing":
        largest.unlink()
    elif damage == "digests":
        (folder / DIGESTS).write_text("{")
    else:
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 0x40  # in the middle of the weights: it would load
        largest.write_bytes(content)
    assert np.array_equal(features(make_encoder(), BACKENDS[backend], images), first)
    assert [path.name for path in (cache / "backends").iterdir()] == [folder.name]


@pytest.mark.parametrize("backend", CONVERTERS)
def test_without_a_cache_nothing_is_kept_and_all_works(
    make_encoder: Any, backend: str, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")
    images = probe_images(3, 32, 32, count=4)
    encoder = make_encoder()
    found = features(encoder, BACKENDS[backend], images)
    assert np.allclose(found, encoder.image_tower(images).numpy(), atol=1e-4)
    assert not cache.exists()


def test_a_full_disk_keeps_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    def convert(new: Path) -> None:
        (new / "half").write_text("x")
        if new.is_relative_to(tmp_path / "kept"):
            raise OSError(28, "No space left on device")

    with converted(tmp_path / "kept" / "model", convert) as place:
        assert (place / "half").read_text() == "x"
    assert not place.exists()
    assert list((tmp_path / "kept").iterdir()) == []


# --- what is refused


def test_a_backend_that_disagrees_is_refused_with_the_figure(
    make_encoder: Any, third_party: Any
) -> None:
    with pytest.raises(BackendError, match=r"does not agree.*distances differ by at most [\d.]+ %"):
        image_side(make_encoder(), third_party("wrong"), "fp32").for_job(5, None)


@pytest.mark.parametrize(
    ("name", "reason"), [("fails", "no such layer"), ("breaks", "illegal instruction")]
)
def test_a_backend_that_cannot_run_the_model_is_refused_with_its_reason(
    make_encoder: Any, third_party: Any, name: str, reason: str
) -> None:
    with pytest.raises(BackendError, match=f"cannot run small.*{reason}"):
        image_side(make_encoder(), third_party(name), "fp32").for_job(5, None)


def test_a_backend_of_a_third_party_is_used_and_its_agreement_recorded(
    make_encoder: Any, third_party: Any
) -> None:
    encoder = make_encoder()
    job = image_side(encoder, third_party("good"), "auto").for_job(5, None)
    images = probe_images(3, 32, 32)
    assert np.array_equal(job.encoder.encode_images(images).vectors,
                          encoder.encode_images(images).vectors)  # fmt: skip
    assert job.facts["backend"] == "good"
    assert "distances differ by at most 0 %" in job.facts["agreement_with_torch_fp32"]


@pytest.mark.parametrize(
    ("backend", "package"), [("openvino", "openvino"), ("onnx", "onnxruntime")]
)
def test_a_missing_package_is_named_with_the_line_that_brings_it(
    make_encoder: Any, backend: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.endswith(f"backends.{backend}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]  # None: not importable
    with pytest.raises(MissingExtraError, match=rf"pip install 'fieldguide\[{backend}\]'"):
        image_side(make_encoder(), BACKENDS[backend], "fp32").for_job(5, None)


def test_onnx_offers_no_bfloat16(make_encoder: Any) -> None:
    with pytest.raises(UsageError, match="'onnx' computes in float32 only"):
        image_side(make_encoder(), BACKENDS["onnx"], "bf16")


def test_a_device_that_the_backend_has_not_is_a_usage_error(make_encoder: Any) -> None:
    encoder = make_encoder()
    encoder.device = torch.device("cuda")
    with pytest.raises(UsageError, match=r"does not compute on cuda.*--device cpu"):
        image_side(encoder, BACKENDS["openvino"], "fp32")


def test_an_encoder_that_runs_its_images_itself_takes_no_backend(make_encoder: Any) -> None:
    class Closed:
        def __init__(self, inner: Any) -> None:
            self.space, self.contract, self.logit_scale = inner.space, inner.contract, 1.0
            self.encode_images, self.encode_texts = inner.encode_images, inner.encode_texts

    closed = Closed(make_encoder())
    assert image_side(closed, BACKENDS["torch"], "auto").for_job(5000, None).encoder is closed
    for backend, precision in (("openvino", "auto"), ("torch", "bf16")):
        with pytest.raises(UsageError, match="offers no image side"):
            image_side(closed, BACKENDS[backend], precision)


def test_an_unknown_backend_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match=r"No backend is named 'openvin'.*'openvino'"):
        BACKENDS["openvin"]


# --- what users and authors of plugins see


def test_the_command_line_runs_another_backend_and_records_it(tmp_path: Path) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny")
    photo = tmp_path / "photo.png"
    Image.fromarray(probe_images(3, 40, 40, count=1)[0].permute(1, 2, 0).numpy()).save(photo)
    output = tmp_path / "v.parquet"
    words = ["embed", str(photo), "-o", str(output), "--model", str(model), "--device", "cpu"]
    cli([*words, "--backend", "openvino"], standalone_mode=False)
    record = json.loads((tmp_path / "v.parquet.provenance.json").read_text())
    assert record["computing"]["backend"] == "openvino"
    assert record["computing"]["backend_versions"]["openvino"]
    assert record["rows_written_by"] == {"openvino fp32": 1}


def test_an_index_is_searched_with_the_backend_of_the_guide(tmp_path: Path) -> None:
    model = str(write_tiny_checkpoint(tmp_path / "tiny"))
    photos = []
    for number, picture in enumerate(probe_images(3, 40, 40, count=3)):
        photos.append(tmp_path / f"{number}.png")
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(photos[-1])
    fg.guide(model=model, device="cpu").index(photos, tmp_path / "a.fg")
    index = fg.guide(model=model, device="cpu", backend="onnx").index(photos, tmp_path / "a.fg")
    best = index.search(image=photos[1], k=1)[0]
    assert best.path == str(photos[1])


def test_plugins_lists_the_backends(capsys: pytest.CaptureFixture[str]) -> None:
    cli(["plugins"], standalone_mode=False)
    printed = capsys.readouterr().out
    for name in BACKENDS:
        assert f"--backend {name}: " in printed


def test_a_plugins_backends_are_checked_for_its_author() -> None:
    plugin = ModuleType("plugin")
    plugin.api = 1  # type: ignore[attr-defined]

    @hookimpl
    def register_backends() -> Iterable[BackendSpec]:
        yield BackendSpec(name="fine", summary="x", target=BACKENDS["torch"].target)
        yield BackendSpec(name="lost", summary="x", target="fieldguide.models.towers:no_such")

    plugin.register_backends = register_backends  # type: ignore[attr-defined]
    (fault,) = check_plugin(plugin)
    assert fault.startswith("the backend 'lost'")


@pytest.mark.slow
def test_openvino_is_imported_without_its_messages_to_the_network(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "def refuse(*_): raise SystemExit('reached for the network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import fieldguide.models.backends.openvino\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []  # it would note there that it may send


# --- torch.compile


def test_batches_of_one_size_go_to_the_compiled_tower_and_rests_to_the_plain_one() -> None:
    asked: dict[str, list[int]] = {"compiled": [], "plain": []}

    def tower(name: str) -> Any:
        def run(pixels: Tensor) -> Tensor:
            asked[name].append(len(pixels))
            return pixels[:, 0, 0, :1].float()

        return run

    padded = PaddedTower(tower("compiled"), tower("plain"))
    for count in (8, 8, 5, 4, 1):
        pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
        assert padded(pixels).flatten().tolist() == list(range(count))
    assert asked == {"compiled": [8, 8, 8], "plain": [4, 1]}


def test_a_compiled_tower_gives_torchs_features(
    make_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # traced as ever, but without the C++ compiler, which takes half a minute
    traced_only = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", traced_only)
    encoder = make_encoder()
    images = probe_images(3, 32, 32, count=9)
    tower = image_side(encoder, BACKENDS["torch_compile"], "fp32").tower("fp32")
    for part in (images[:4], images[4:7], images[7:]):
        assert torch.allclose(tower(part), encoder.image_tower(part), atol=1e-5)


@pytest.mark.parametrize("name", list(BACKENDS))
def test_a_backends_packages_belong_to_its_extra(name: str) -> None:
    spec = BACKENDS[name]
    assert importlib.util.find_spec(spec.target.partition(":")[0]) is not None
    assert "torch" in spec.packages
