"""Eight sets of Meta-Album, 40 images a class (Ullah et al. 2022, arXiv:2302.08909).

Those by which BioCLIP's authors measure, in the form of their tables
(github.com/Imageomics/bioclip, data/annotation/meta-album): ``filepath`` and ``class``, the latter
as the owners write it, with authors of names, brackets and underscores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldguide.benchmarks.named_set import NamedRow, NamedSet
from fieldguide_biodiversity.benchmarks.protocols import AS_IS, PLAIN, trained, zero_shot
from fieldguide_biodiversity.benchmarks.tables import TableListing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fieldguide.benchmarks.measured import LabelledBenchmark

IMAGES_A_CLASS = 40
SETS = {
    "plk": ("Plankton", 86), "ins": ("Insects", 104), "ins_2": ("Insects 2", 102),
    "plt_net": ("PlantNet", 25), "fng": ("Fungi", 25), "plt_vil": ("PlantVillage", 38),
    "med_lf": ("Medicinal Leaf", 25), "plt_doc": ("PlantDoc", 27),
}  # fmt: skip
"""Title and number of classes by the set's short name."""
TRAPS = (
    "The names are as the owners write them, such as 'Emiliania_huxleyi', 'other_interaction' or "
    "'La Punaise du Chou (Eurydema oleracea)': a figure by better names is another one.",
    "The same set measured by the authors of BioCLIP 2 gives BioCLIP other figures in part: "
    "PlantNet 88.2 after 91.4, PlantVillage 19.0 after 24.4.",
)
PLAIN_TRAPS = ("Underscores are read as spaces, in one template of ours: no published figure.",)


def read_row(cells: Mapping[str, Any]) -> NamedRow:
    """Return what a row of metadata.csv says.

    Raises:
        KeyError: a column is not there.
    """
    written = str(cells["class"])
    return NamedRow(
        path=str(cells["filepath"]),
        label=written,
        names={AS_IS: written, PLAIN: plain(written)},
    )


def plain(name: str) -> str:
    """Return a class's name without underscores.

    >>> plain("Tomato___Late_blight"), plain("Emiliania_huxleyi")
    ('Tomato Late blight', 'Emiliania huxleyi')
    """
    return " ".join(name.replace("_", " ").split())


def meta_album(short: str) -> NamedSet:
    """Return one of the sets, such as "plk"."""
    title, classes = SETS[short]
    folder = f"{short.upper()}_Mini"
    name, full = f"meta_album_{short}", f"Meta-Album {title}"
    places = tuple(f"{place}metadata.csv" for place in ("", "val/", f"{folder}/", f"{folder}/val/"))
    listing = TableListing(name, full, places)
    return NamedSet(name, full, {"": classes * IMAGES_A_CLASS}, listing, read_row)


def benchmarks(short: str) -> tuple[LabelledBenchmark, ...]:
    """Return zero-shot by both texts, SimpleShot, nearest neighbours and linear probe on a set."""
    data = meta_album(short)
    return (
        zero_shot(data, AS_IS, traps=TRAPS),
        zero_shot(data, PLAIN, "zero_shot_plain", ("a photo of {}.",), PLAIN_TRAPS),
        *trained(data),
    )


(
    meta_album_plk_zero_shot,
    meta_album_plk_zero_shot_plain,
    meta_album_plk_simple_shot,
    meta_album_plk_knn,
    meta_album_plk_linear_probe,
) = benchmarks("plk")
(
    meta_album_ins_zero_shot,
    meta_album_ins_zero_shot_plain,
    meta_album_ins_simple_shot,
    meta_album_ins_knn,
    meta_album_ins_linear_probe,
) = benchmarks("ins")
(
    meta_album_ins_2_zero_shot,
    meta_album_ins_2_zero_shot_plain,
    meta_album_ins_2_simple_shot,
    meta_album_ins_2_knn,
    meta_album_ins_2_linear_probe,
) = benchmarks("ins_2")
(
    meta_album_plt_net_zero_shot,
    meta_album_plt_net_zero_shot_plain,
    meta_album_plt_net_simple_shot,
    meta_album_plt_net_knn,
    meta_album_plt_net_linear_probe,
) = benchmarks("plt_net")
(
    meta_album_fng_zero_shot,
    meta_album_fng_zero_shot_plain,
    meta_album_fng_simple_shot,
    meta_album_fng_knn,
    meta_album_fng_linear_probe,
) = benchmarks("fng")
(
    meta_album_plt_vil_zero_shot,
    meta_album_plt_vil_zero_shot_plain,
    meta_album_plt_vil_simple_shot,
    meta_album_plt_vil_knn,
    meta_album_plt_vil_linear_probe,
) = benchmarks("plt_vil")
(
    meta_album_med_lf_zero_shot,
    meta_album_med_lf_zero_shot_plain,
    meta_album_med_lf_simple_shot,
    meta_album_med_lf_knn,
    meta_album_med_lf_linear_probe,
) = benchmarks("med_lf")
(
    meta_album_plt_doc_zero_shot,
    meta_album_plt_doc_zero_shot_plain,
    meta_album_plt_doc_simple_shot,
    meta_album_plt_doc_knn,
    meta_album_plt_doc_linear_probe,
) = benchmarks("plt_doc")
