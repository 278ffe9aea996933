"""The ten sets over which BioCLIP's authors average (Stevens et al. 2023, arXiv:2311.18803)."""

from __future__ import annotations

from fieldguide.benchmarks.mean_of_sets import MeanOfSets, Member
from fieldguide.benchmarks.named_zero_shot import NamedZeroShot
from fieldguide_biodiversity.benchmarks import birds_525, rare_species
from fieldguide_biodiversity.benchmarks.meta_album import SETS, meta_album
from fieldguide_biodiversity.benchmarks.protocols import AS_IS, CLIP_TEMPLATES, TAXONOMIC_COMMON

AS_WRITTEN = NamedZeroShot(AS_IS, CLIP_TEMPLATES)
TRAPS = (
    "Plain mean over sets of 1,000 to 11,983 images and 25 to 525 classes; the ten sets of BioCLIP "
    "2 are others (NABirds and camera traps in place of Birds 525 and PlantDoc).",
    "Which text of a class each published figure is by is stated for Rare Species only: there "
    "BioCLIP has the taxonomic with the common name, as here, and CLIP and OpenCLIP the common "
    "name alone.",
)

bioclip_ten_sets_zero_shot = MeanOfSets(
    name="bioclip_ten_sets_zero_shot",
    dataset="bioclip_ten_sets",
    members=(
        Member("birds_525", birds_525.DATA, AS_WRITTEN),
        *(Member(f"{short.upper()}_Mini", meta_album(short), AS_WRITTEN) for short in SETS),
        Member("rare_species", rare_species.DATA, NamedZeroShot(TAXONOMIC_COMMON, CLIP_TEMPLATES)),
    ),
    traps=TRAPS,
)
