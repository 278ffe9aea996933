"""The front door of captions: annotations, manifests or images in, captions with provenance out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.captions.caption_rows import CaptionRow, CaptionRows
from fieldguide.captions.class_lists import read_class_list
from fieldguide.captions.find_records import Records, search_for
from fieldguide.captions.private_captions import find_private, hide_captions, private_names
from fieldguide.data.manifest_windows import window_of
from fieldguide.errors import FieldguideError, UsageError
from fieldguide.plugins import get_catalog
from fieldguide.progress import watched
from fieldguide.writers.provenance import make_provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fieldguide.plugins import Catalog
    from fieldguide.samples import Window
    from fieldguide.specs import CaptionConverterSpec

DEFAULT = "box_caption"


def make_captions(  # noqa: PLR0913 - the front door: each is one thing a user may say
    inputs: str | Path | Iterable[str | Path],
    converters: str | Sequence[str] | None = None,
    *,
    format: str | None = None,
    classes_file: str | Path | None = None,
    images: str | Path | None = None,
    seed: int = 0,
    per_image: int | None = None,
    label_column: str = "label",
    roots: Sequence[str | Path] = (),
    columns: Mapping[str, Any] | None = None,
    progress: bool = False,
    show_paths: bool = False,
    beside: str | Path | None = None,
    catalog: Catalog | None = None,
) -> CaptionRows:
    """Make captions of what annotations, manifests or image files say.

    Args:
        inputs: annotation files or folders (COCO JSON, VOC XML, DOTA and YOLO text), manifests
            (CSV, JSON Lines) or images, or several of these.
        converters: names of caption converters, see ``docs/captions.md``; by default "box_caption"
            where there are annotations.
        format: of the annotations; by default by their ending and content.
        classes_file: names of the classes; see ``class_lists.read_class_list``.
        images: folder of the images that annotations are about.
        seed: of every draw; the same seed and annotation give the same captions.
        per_image: captions of each converter an image; by default its own number.
        label_column: of manifests.
        roots: folders of which manifests may name files, beside their own and the current one.
        columns: for every row that lacks them, such as ``{"gsd_m": 10}``.
        progress: whether a progress bar is shown.
        show_paths: name files also where a converter's domain keeps them private.
        beside: an output, beside which such a domain keeps what its ids mean; by default with the
            user.
        catalog: of what is installed.

    Returns:
        The captions, in order, and what none could be made of with the reason.

    Raises:
        UsageError: an input that makes no sense, a manifest without a converter, or what is for
            annotations without any.
        UnknownNameError: no such converter or format.
    """
    known = catalog or get_catalog()
    names = [converters] if isinstance(converters, str) else list(converters or ())
    specs = [known.caption_converters[name] for name in names]
    search = search_for(
        known,
        format,
        classes=None if classes_file is None else read_class_list(Path(classes_file)),
        images=None if images is None else Path(images),
        roots=tuple(map(Path, roots)),
        label_column=label_column,
    )
    entries = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    private = None if show_paths else private_names(specs, known, beside)
    records = search.find(entries) if private is None else find_private(search, entries, private)
    given = {"--format": format, "--classes-file": classes_file, "--images": images}
    if not records.has_files and (unused := [n for n, v in given.items() if v is not None]):
        raise UsageError(
            f"{' and '.join(unused)}: for annotation files, and none of the inputs is one. Leave "
            "it out, or name annotations."
        )
    records.rows = [dict(columns or {}) | dict(row) for row in records.rows]
    if not specs and not records.annotated and records.rows:
        there = ", ".join(spec.name for spec in known.caption_converters.usable())
        raise UsageError(f"Say what makes the captions: --converter NAME. There are: {there}.")
    specs = specs or [known.caption_converters[DEFAULT]]
    rows, skipped = convert(records, specs, seed=seed, per_image=per_image, progress=progress)
    spoken = {(row.path, row.window) for row in rows}
    facts = {"converters": [spec.name for spec in specs], "seed": seed, "per_image": per_image}
    provenance = make_provenance(
        **facts,
        inputs=list(map(str, entries)),
        images=len(spoken),
        captions=len(rows),
        silent=len({(str(r["path"]), _part(r)) for r in records.rows} - spoken),
        skipped=[{"path": name, "reason": reason} for name, reason in skipped],
    )
    made = CaptionRows(rows, skipped, provenance)
    return made if private is None else hide_captions(made, private)


def convert(
    records: Records,
    specs: Sequence[CaptionConverterSpec],
    *,
    seed: int = 0,
    per_image: int | None = None,
    progress: bool = False,
) -> tuple[list[CaptionRow], list[tuple[str, str]]]:
    """Return the captions of records, and what none could be made of.

    Args:
        records: what captions are made of.
        specs: the converters, each of which sees every record.
        seed: of every draw.
        per_image: captions of each converter an image; by default its own number.
        progress: whether a progress bar is shown.
    """
    loaded = [(spec, spec.load()) for spec in specs]
    rows: list[CaptionRow] = []
    skipped = list(records.skipped)
    for record in watched(records.rows, "image", shown=progress):
        try:
            window = window_of(record)
        except ValueError as error:
            skipped.append((str(record["path"]), str(error)))
            continue
        for spec, target in loaded:
            given: dict[str, int | None] = {"seed": seed, "per_image": per_image}
            keywords = {str(k): given[k] for k in spec.options if given[k] is not None}
            texts, reason = _texts(target, record, keywords)
            if reason is not None:
                skipped.append((str(record["path"]), f"{spec.name}: {reason}"))
            rows += [
                CaptionRow(
                    path=str(record["path"]),
                    caption=str(text),
                    template=str(getattr(text, "template", "")),
                    seed=seed,
                    converter=spec.name,
                    source=str(record["source"]),
                    window=window,
                )
                for text in list(dict.fromkeys(texts))[:per_image]
            ]
    return rows, skipped


def _part(record: Mapping[str, Any]) -> Window | None:
    """Return the window that a record means; None also where its columns mean none."""
    try:
        return window_of(record)
    except ValueError:
        return None


def _texts(
    target: Any, record: Mapping[str, Any], keywords: Mapping[str, Any]
) -> tuple[Sequence[str], str | None]:
    """Return what a converter makes of a record, or why it makes nothing."""
    try:
        made = target(record, **keywords)
        texts = [made] if isinstance(made, str) else list(made)
        if not all(isinstance(text, str) and text.strip() for text in texts):
            return [], "it made something else than texts. Report this to its author."
        return texts, None
    except FieldguideError as error:
        return [], str(error)
    except Exception as error:  # noqa: BLE001 - a converter may be anybody's
        return [], f"unexpected {type(error).__name__}: {error}"
