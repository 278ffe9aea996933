"""First kernels for more bands: by name with zeros, and by wavelength with shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from fieldguide.errors import UsageError
from fieldguide.models.band_kernels import by_name, by_wavelength
from fieldguide.samples import RGB

MS_CLIP_ORDER = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08",
                 "swir16", "swir22")  # fmt: skip
RGB_NM = (665.0, 560.0, 490.0)


def kernels(bands: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn((5, bands, 4, 4), generator=torch.Generator().manual_seed(seed))


def slowly_extended(trained: torch.Tensor, channels: int) -> torch.Tensor:
    """Return what the authors of MS-CLIP state: blue, green, red in the first three places.

    IBM/MS-CLIP, msclip/model/factory.py, ``extend_weights``; here number by number.
    """
    wide = torch.zeros(trained.shape[0], channels, trained.shape[2], trained.shape[3])
    for out, row, column in np.ndindex(*trained[:, 0].shape):
        for place, of_rgb in ((0, 2), (1, 1), (2, 0)):
            wide[out, place, row, column] = trained[out, of_rgb, row, column]
    return wide


@pytest.mark.parametrize("channels", [10, 12])
def test_kernels_by_name_are_the_authors_tensor_for_their_order(channels: int) -> None:
    bands = (*MS_CLIP_ORDER, "coastal", "nir09")[:channels]
    assert torch.equal(by_name(kernels(), bands), slowly_extended(kernels(), channels))


@given(st.permutations([*RGB, "nir", "swir16"]))
def test_each_colour_finds_its_kernel_whatever_the_order(bands: list[str]) -> None:
    wide = by_name(kernels(), bands)
    for place, band in enumerate(bands):
        expected = kernels()[:, RGB.index(band)] if band in RGB else torch.zeros(5, 4, 4)
        assert torch.equal(wide[:, place], expected)


def test_a_missing_colour_is_said_and_what_can_be_done() -> None:
    with pytest.raises(UsageError, match=r"lack blue.*base_wavelengths_nm"):
        by_name(kernels(), ("red", "green", "nir"))


def test_kernels_of_more_than_three_bands_are_not_widened_by_name() -> None:
    with pytest.raises(UsageError, match="takes 4 bands"):
        by_name(kernels(4), ("red", "green", "blue", "nir"))


def test_shares_by_wavelength_are_those_computed_by_hand() -> None:
    # new bands at 450, 550, 650 and 850 nm; of 665: (850 - 665) / 200 = 0.925 to 650, 0.075 to
    # 850; of 560: 0.9 to 550 and 0.1 to 650; of 490: 0.6 to 450 and 0.4 to 550
    red, green, blue = kernels().unbind(1)
    wide = by_wavelength(kernels(), RGB_NM, (850, 450, 650, 550))
    expected = (0.075 * red, 0.6 * blue, 0.925 * red + 0.1 * green, 0.9 * green + 0.4 * blue)
    for place, kernel in enumerate(expected):
        torch.testing.assert_close(wide[:, place], kernel)


def test_bands_at_the_known_wavelengths_get_their_kernels_and_others_zero() -> None:
    wide = by_wavelength(kernels(), RGB_NM, (490, 560, 665, 833, 1610))
    red, green, blue = kernels().unbind(1)
    assert torch.equal(wide, torch.stack([blue, green, red, 0 * red, 0 * red], dim=1))


def test_what_lies_beyond_the_last_new_band_goes_to_it() -> None:
    wide = by_wavelength(kernels(), RGB_NM, (500, 600))
    red, green, blue = kernels().unbind(1)
    torch.testing.assert_close(wide[:, 0], blue + 0.4 * green)
    torch.testing.assert_close(wide[:, 1], red + 0.6 * green)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(400, 2500), min_size=1, max_size=12, unique=True),
    st.lists(st.integers(400, 2500), min_size=1, max_size=8, unique=True),
)
def test_the_response_is_that_of_the_old_kernels_on_the_interpolated_spectrum(
    new_nm: list[int], known_nm: list[int]
) -> None:
    spectrum = np.random.default_rng(0).uniform(0, 1, (len(new_nm), 8, 8))
    order = np.argsort(new_nm)
    seen = np.empty((len(known_nm), 8, 8))
    for row, column in np.ndindex(8, 8):
        sampled = spectrum[order, row, column]
        seen[:, row, column] = np.interp(known_nm, np.sort(new_nm), sampled)
    trained = kernels(len(known_nm)).double()
    expected = F.conv2d(torch.from_numpy(seen)[None], trained)
    found = F.conv2d(torch.from_numpy(spectrum)[None], by_wavelength(trained, known_nm, new_nm))
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(300, 3000), min_size=1, max_size=12, unique=True))
def test_the_sum_of_responses_is_kept(new_nm: list[int]) -> None:
    wide = by_wavelength(kernels().double(), RGB_NM, new_nm)
    torch.testing.assert_close(wide.sum(dim=1), kernels().double().sum(dim=1))


@pytest.mark.parametrize(
    ("known", "new", "said"),
    [
        (RGB_NM[:2], (500, 600), "3 kernels have 2 wavelengths"),
        (RGB_NM, (500, 500), "500 nm"),
        (RGB_NM, (500, float("nan")), "not all wavelengths"),
        (RGB_NM, (-1, 500), "not all wavelengths"),
        (RGB_NM, (), "not all wavelengths"),
    ],
)
def test_wavelengths_that_cannot_be_are_refused(
    known: tuple[float, ...], new: tuple[float, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        by_wavelength(kernels(), known, new)
