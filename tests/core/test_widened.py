"""Models with more bands: equal to the model they were made from until they are tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from torch.nn import functional as F

from fieldguide.errors import AdapterError, UnknownNameError, UsageError
from fieldguide.models.computing import image_side
from fieldguide.models.load import load_encoder, named_model
from fieldguide.models.tunable import Tunable, network_digest, sharing_copy
from fieldguide.models.weights import resource_text
from fieldguide.models.widened import widen
from fieldguide.models.widening import parse_widening
from fieldguide.plugins import get_catalog
from fieldguide.samples import RGB
from fieldguide.testing import write_tiny_checkpoint
from fieldguide.tuning.layouts.towers import layout_of
from fieldguide.tuning.merging import export_merged
from fieldguide.tuning.methods.finetune import Finetune
from fieldguide.tuning.methods.lora import Lora
from fieldguide.tuning.splitting import split_image
from fieldguide.tuning.trainables import FullParameters, new_parameters, stage_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fieldguide.models.embeddings import Encoder
    from fieldguide.models.tunable import Widenable

KINDS = ("vit", "wide", "coca", "resnet", "siglip", "timm_vit", "timm_convnext", "embedded_conse")
BANDS = ("nir", "green", "coastal", "red", "blue", "swir16")
COLOURS = [BANDS.index(colour) for colour in RGB]


def band(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "range": [0, 0.3], **more}


def more_bands(bands: tuple[str, ...] = BANDS, **changes: Any) -> dict[str, Any]:
    return {"base": "any", "bands": [band(name) for name in bands], **changes}


def widened(encoder: Encoder, settings: dict[str, Any]) -> Widenable:
    return widen(encoder, parse_widening(settings, "a test"), "wide")


def scenes(encoder: Encoder, seed: int = 0) -> torch.Tensor:
    """Return (3, 6, H, W) bytes."""
    generator = torch.Generator().manual_seed(seed)
    shape = (3, len(BANDS), *encoder.contract.size_px)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tunable]:
    """Load a tiny model of a kind, or the embedded one, once."""
    loaded: dict[str, Tunable] = {}

    def load_once(kind: str) -> Tunable:
        if kind not in loaded:
            name = kind
            if not kind.startswith("embedded"):
                folder = tmp_path_factory.mktemp("models") / kind
                name = str(write_tiny_checkpoint(folder, architecture=kind))
            catalog = get_catalog()
            encoder = load_encoder(named_model(name, catalog), catalog, torch.device("cpu"))
            loaded[kind] = cast("Tunable", encoder)
        return loaded[kind]

    return load_once


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_the_base_whatever_the_other_bands_hold(
    kind: str, base: Callable[[str], Tunable]
) -> None:
    encoder = base(kind)
    wide = widened(encoder, more_bands())
    pixels = scenes(encoder)
    expected = encoder.encode_images(pixels[:, COLOURS]).vectors
    found = wide.encode_images(pixels).vectors
    # a sum of more terms, of which most are zero, is added up in another order
    assert abs(found - expected).max() <= 1e-6
    others = scenes(encoder, seed=1)
    others[:, COLOURS] = pixels[:, COLOURS]
    assert not torch.equal(others, pixels)
    assert (wide.encode_images(others).vectors == found).all()
    text = ["a river"]
    assert (wide.encode_texts(text).vectors == encoder.encode_texts(text).vectors).all()


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_first_kernels_are_new_and_the_base_stays_as_it_is(
    kind: str, base: Callable[[str], Tunable]
) -> None:
    encoder = base(kind)
    before = network_digest(encoder.network)
    wide = widened(encoder, more_bands())
    ours, theirs = (dict(e.network.named_parameters()) for e in (encoder, wide))
    assert {name for name in ours if theirs[name] is not ours[name]} == set(new_parameters(wide))
    (name,) = new_parameters(wide)
    assert torch.equal(theirs[name][:, COLOURS], ours[name])
    assert network_digest(encoder.network) == before
    assert new_parameters(encoder) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_new_kernels_learn(kind: str, base: Callable[[str], Tunable]) -> None:
    encoder = base(kind)
    wide = widened(encoder, more_bands())
    names = new_parameters(wide)
    network = sharing_copy(wide.network)
    FullParameters(names).prepare(network)
    tuned = wide.with_network(network)
    features = F.normalize(tuned.image_module(scenes(encoder)), dim=1)
    (features * torch.linspace(-1, 1, features.shape[1])).sum().backward()  # type: ignore[no-untyped-call] # torch's
    (trained,) = (p for p in network.parameters() if p.requires_grad)
    assert trained.grad is not None
    assert all(trained.grad[:, place].abs().max() > 0 for place in range(len(BANDS)))


@pytest.mark.parametrize("kind", ["vit", "resnet", "timm_vit", "timm_convnext", "embedded_conse"])
def test_a_widened_tower_is_cut_into_stages_to_the_last_bit(
    kind: str, base: Callable[[str], Tunable]
) -> None:
    wide = widened(base(kind), more_bands())
    pixels = scenes(wide)
    stages = layout_of(wide, "image").stages()
    with torch.no_grad():
        expected = wide.image_module(pixels)
        for last in range(1, len(stages) - 1):
            cut = split_image(wide, stage_parameters(wide, last))
            assert cut.prefix is not None
            assert torch.equal(cut.suffix(cut.prefix(pixels)), expected)


def test_kernels_can_be_handed_on_by_wavelength_to_a_sensor_without_these_colours(
    base: Callable[[str], Tunable],
) -> None:
    encoder = base("vit")
    bands = [band("first", wavelength_nm=525), band("last", wavelength_nm=665)]
    settings = {"base": "any", "bands": bands, "base_wavelengths_nm": [665, 560, 490]}
    wide = widened(encoder, settings)
    (name,) = new_parameters(wide)
    red, green, blue = dict(encoder.network.named_parameters())[name].unbind(1)
    found = dict(wide.network.named_parameters())[name]
    # 560 nm lies at a quarter of the way from 525 to 665
    torch.testing.assert_close(found[:, 0], blue + 0.75 * green)
    torch.testing.assert_close(found[:, 1], red + 0.25 * green)


def test_the_contract_has_the_bases_numbers_for_colours_and_its_own_for_others(
    base: Callable[[str], Tunable],
) -> None:
    encoder = base("vit")
    bands = [band("nir", mean=118, std=69, optional=True), *map(band, RGB), band("pan")]
    contract = widened(encoder, {"base": "any", "bands": bands}).contract
    mean, std = encoder.contract.mean, encoder.contract.std
    assert contract.bands == ("nir", *RGB, "pan")
    assert contract.optional_bands == ("nir",)
    assert contract.mean == pytest.approx((118, *mean, sum(mean) / 3))
    assert contract.std == pytest.approx((69, *std, sum(std) / 3))
    assert contract.size_px == encoder.contract.size_px


def test_bands_ranges_and_first_kernels_belong_to_the_space(
    base: Callable[[str], Tunable],
) -> None:
    encoder = base("vit")
    near = {"base_wavelengths_nm": [665, 560, 490]}

    def placed(nir_nm: float) -> list[dict[str, Any]]:
        places = zip((*RGB, "nir"), (665, 560, 490, nir_nm), strict=True)
        return [band(name, wavelength_nm=nm) for name, nm in places]

    told = [
        more_bands((*RGB, "nir")),
        more_bands(("nir", *RGB)),
        more_bands((*RGB, "swir16")),
        {"base": "any", "bands": [*map(band, RGB), band("nir", optional=True)]},
        {"base": "any", "bands": [*map(band, RGB), band("nir", range=[0, 0.5])]},
        {"base": "any", "bands": placed(840), **near},
        {"base": "any", "bands": placed(860), **near},
    ]
    spaces = {widened(encoder, settings).space.digest for settings in told}
    assert len(spaces | {encoder.space.digest}) == len(told) + 1
    again = {"base": "other name", "bands": placed(700)}  # by name a wavelength only informs
    assert widened(encoder, again).space.digest in spaces


@pytest.mark.parametrize("method", [Lora, Finetune])
def test_the_new_kernels_train_as_a_whole_with_the_image_tower_and_not_without_it(
    method: type[Lora | Finetune], base: Callable[[str], Tunable]
) -> None:
    wide = widened(base("vit"), more_bands())
    (name,) = new_parameters(wide)
    for towers, trains in ((("image",), True), (("text",), False), (("image", "text"), True)):
        *_, last = method.model_validate({"towers": towers}).fits(wide, 0)
        assert (name in last.names()) == trains
    *_, last = method().fits(base("vit"), 0)
    assert name not in last.names()


def test_probes_of_backends_and_precisions_have_the_models_bands(
    base: Callable[[str], Tunable],
) -> None:
    wide = widened(base("vit"), more_bands())
    side = image_side(wide, get_catalog().backends["torch"], "bf16")
    job = side.for_job(3, 2)
    pixels = scenes(wide)
    error = abs(job.encoder.encode_images(pixels).vectors - wide.encode_images(pixels).vectors)
    assert job.facts["precision"] == "bf16"
    assert 0 < error.max() < 0.02


def test_a_widened_model_is_not_widened_again(base: Callable[[str], Tunable]) -> None:
    with pytest.raises(UsageError, match=r"takes nir, green.*made from"):
        widened(widened(base("vit"), more_bands()), more_bands())


def test_there_is_no_open_clip_checkpoint_of_more_bands(
    base: Callable[[str], Tunable], tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="takes the bands nir"):
        export_merged(widened(base("vit"), more_bands()), cast("Any", _Nothing), tmp_path / "new")


class _Nothing:
    place = "an_adapter"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (more_bands(("red", "green", "nir")), "lacks blue"),
        (more_bands((*RGB, "nir", "nir")), "names nir twice"),
        (more_bands((*RGB, "NIR")), "should match pattern"),
        (more_bands(pretrained="yes"), "pretrained"),
        ({"bands": [band(name) for name in RGB]}, "base: Field required"),
        ({"base": "x", "bands": [*map(band, RGB), band("nir", range=[0.5, 0.1])]}, "must rise"),
        ({"base": "x", "bands": [*map(band, RGB), band("nir", range=[0, "x"])]}, "valid number"),
        ({"base": "x", "bands": [*map(band, RGB), band("nir", std=0)]}, "greater than 0"),
        ({"base": "x", "bands": [*map(band, RGB), band("nir", wavelength_nm=float("inf"))]},
         "finite"),
        ({"base": "x", "bands": [band("red", mean=3), band("green"), band("blue")]},
         "those of the base"),
        ({"base": "x", "bands": [band("red", optional=True), band("green"), band("blue")]},
         "red cannot be optional"),
        (more_bands((*RGB, "nir"), base_wavelengths_nm=[1, 2, 3]), "needs a wavelength_nm"),
        ({"base": "x", "bands": [band("red"), band("nir")]}, "lacks green"),
        ({"base": "x", "bands": [], "base_wavelengths_nm": [1, 2, 3]}, "needs 1 to 512"),
    ],
)  # fmt: skip
def test_what_describes_no_model_is_refused_with_the_reason(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        parse_widening(settings, "sensor.yaml")


FILE = """
base: ./base
bands:
  - {name: nir, wavelength_nm: 833, range: [0, 0.55], optional: true}
  - {name: red, range: [0, 0.3]}
  - {name: green, range: [0, 0.3]}
  - {name: blue, range: [0, 0.3]}
"""


def test_a_yaml_file_names_a_base_beside_it_and_its_bands(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "base", architecture="vit")
    path = tmp_path / "sensor.yaml"
    path.write_text(FILE)
    catalog = get_catalog()
    encoder = load_encoder(named_model(str(path), catalog), catalog, torch.device("cpu"))
    assert encoder.contract.bands == ("nir", "red", "green", "blue")
    assert encoder.space.model == str(path)


def test_the_bands_may_be_those_of_a_registered_model_and_limits_are_the_bases(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sensor.yml"
    path.write_text("base: embedded_aid\nbands: embedded_aid_sentinel2\n")
    catalog = get_catalog()
    record = named_model(str(path), catalog)
    assert record.research_only
    base_record = catalog.registry.model("embedded_aid")
    assert (record.licence, record.scope) == (base_record.licence, base_record.scope)
    assert "research use only" in resource_text(record, record.licence_file or "")
    file, registered = (
        load_encoder(each, catalog, torch.device("cpu"))
        for each in (record, catalog.registry.model("embedded_aid_sentinel2"))
    )
    assert len(file.contract.bands) == 12
    assert file.space.digest == registered.space.digest


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("base: [\n", "cannot be read as YAML"),
        ("- 1\n", "must have 'base' and 'bands'"),
        (
            "base: sensor.yaml\nbands: embedded_aid_sentinel2\n",
            "is made from another model already",
        ),
        (
            "base: embedded_aid_sentinel2\nbands: embedded_aid_sentinel2\n",
            "is made from another model already",
        ),
    ],
)
def test_a_yaml_file_that_names_no_model_is_refused(
    content: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "sensor.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        named_model(str(path), get_catalog())


def test_a_base_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "sensor.yaml"
    path.write_text("base: embedded_aix\nbands: embedded_aid_sentinel2\n")
    with pytest.raises(UnknownNameError, match="embedded_aid"):
        named_model(str(path), get_catalog())


def test_bands_of_a_model_that_has_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sensor.yaml"
    path.write_text("base: embedded_aid\nbands: embedded_conse\n")
    catalog = get_catalog()
    with pytest.raises(UsageError, match="embedded_conse describes no model with more bands"):
        load_encoder(named_model(str(path), catalog), catalog, torch.device("cpu"))
