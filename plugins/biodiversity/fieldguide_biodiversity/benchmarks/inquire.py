"""INQUIRE: queries of experts over five million photographs of organisms, and its two protocols.

Vendrow et al. 2024, "INQUIRE: A Natural World Text-to-Image Retrieval Benchmark"
(arXiv:2411.02537). Full ranking searches all of iNat24; re-ranking orders 100 given images a query.
Both are measured on the split "test".
"""

from __future__ import annotations

from fieldguide.benchmarks.archive_search import ArchiveSearch
from fieldguide.benchmarks.candidate_lists import ListReranking
from fieldguide_biodiversity.benchmarks.inquire_archive import InquireArchive
from fieldguide_biodiversity.benchmarks.inquire_lists import InquireLists

FULLRANK, RERANK = "inquire_fullrank", "inquire_rerank"

inquire_fullrank = ArchiveSearch(
    InquireArchive(FULLRANK),
    FULLRANK,
    k=50,
    from_k=100,
    traps=(
        "A right image that the annotators did not find counts as wrong.",
        "A model that was trained on photographs of iNaturalist may have seen some of these.",
    ),
)
"""The whole archive, in one stage."""

inquire_rerank = ListReranking(
    InquireLists(RERANK),
    RERANK,
    k=50,
    traps=(
        "The lists are the first 100 of CLIP ViT-H-14-378 (DFN5B): a figure of its own family says "
        "little, and none stands beside a figure of the full ranking.",
        "Queries without a right image among their 100 are not in the set: 160 of 200 are.",
        "The authors' script takes average precision over all 100 places; the table on their page "
        "is read as average precision at 50, so its figures are shown apart.",
    ),
)
"""Given lists of 100."""
