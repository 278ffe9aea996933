"""Readers of CT volumes and radiographs, their options and the command about series. Light."""

from __future__ import annotations

from fieldguide.specs import CommandSpec, LoaderSpec, MagicNumber, ModalitySpec, OptionSpec

EXTRA = "medical"
VOLUME_WINDOWS = "fieldguide_medical.volume_windows:open_volume_windows"
_DICM = MagicNumber(offset=128, hex=b"DICM".hex())

RADIOGRAPH = ModalitySpec(
    name="radiograph",
    summary="a radiograph: DICOM of CR or DX, or a gray picture; used when it is named",
    extra=EXTRA,
    loader=("radiograph",),
    repairs=("grayscale_to_rgb",),
    templates=(
        "a chest X-ray of {}.",
        "a chest radiograph showing {}.",
        "a frontal chest X-ray with {}.",
        "an X-ray image of {}.",
    ),
    fits_by_suffix=False,
)

OPTIONS = (
    OptionSpec(
        name="assume_hu",
        help="Take CT values as Hounsfield units although they do not look like it.",
        type="flag",
    ),
    OptionSpec(
        name="series",
        help="Which series of a DICOM folder, by its number in 'fieldguide medical series'.",
        type="number",
        of_queries=False,
    ),
    OptionSpec(
        name="correct_gantry_tilt",
        help="Resample CT slices that are stacked askew to a rectangular grid.",
        type="flag",
    ),
    OptionSpec(
        name="resample_uneven",
        help="Interpolate between CT slices that are not evenly spaced.",
        type="flag",
    ),
)

LOADERS = (
    LoaderSpec(
        name="nifti",
        summary="CT volumes from NIfTI files",
        target="fieldguide_medical.nifti:NiftiLoader",
        extra=EXTRA,
        suffixes=(".nii", ".nii.gz"),
        options=("assume_hu",),
        windows=VOLUME_WINDOWS,
    ),
    LoaderSpec(
        name="dicom_series",
        summary="CT volumes from a folder with the slices of a DICOM series, or one enhanced file",
        target="fieldguide_medical.dicom_series:DicomSeriesLoader",
        extra=EXTRA,
        suffixes=(".dcm",),
        magic=_DICM,
        unit="folder",
        options=("assume_hu", "series", "correct_gantry_tilt", "resample_uneven"),
        windows=VOLUME_WINDOWS,
    ),
    LoaderSpec(
        name="nrrd",
        summary="CT volumes from NRRD files, with their voxels inside or beside them",
        target="fieldguide_medical.nrrd:NrrdLoader",
        extra=EXTRA,
        suffixes=(".nrrd", ".nhdr"),
        options=("assume_hu",),
        windows=VOLUME_WINDOWS,
    ),
    LoaderSpec(
        name="metaimage",
        summary="CT volumes from MetaImage files, with their voxels inside or beside them",
        target="fieldguide_medical.metaimage:MetaImageLoader",
        extra=EXTRA,
        suffixes=(".mha", ".mhd"),
        options=("assume_hu",),
        windows=VOLUME_WINDOWS,
    ),
    LoaderSpec(
        name="radiograph",
        summary="Radiographs from DICOM (CR, DX) and gray pictures",
        target="fieldguide_medical.radiographs:RadiographLoader",
        extra=EXTRA,
        suffixes=(".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"),
        magic=_DICM,
    ),
)

SERIES = CommandSpec(
    name="series",
    summary="List the DICOM series below a folder, and which make a CT volume",
    target="fieldguide_medical.commands.series:series",
    extra=EXTRA,
    domain="medical",
)
