"""Captions of leaves: the crop, its disease or health, and what the disease looks like.

Nguyen Quoc et al. 2025, "A Vision-Language Foundation Model for Leaf Disease Identification"
(SCOLD, arXiv:2505.07019), pairs leaves with texts of crop, disease and symptoms. PlantVillage
(Hughes and Salathé 2015, arXiv:1511.08060) writes crop and disease into names of folders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldguide.errors import ContractError
from fieldguide_biodiversity.taxa import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

CROPS = ("crop", "plant", "host")
DISEASES = ("disease", "condition", "diagnosis")
SYMPTOMS = ("symptom", "symptoms", "symptom_text")
LABELS = ("label", "class")
HEALTHY = frozenset(("healthy", "health", "normal", "no disease", "none"))
"""What stands in place of a disease where there is none, in lower case."""

_PARTS = "___"
_SENTENCE_END = ".!? "
_CAPITALISED = re.compile(r"\b[A-Z][a-z]+\b")


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is known of one leaf.

    Attributes:
        crop: such as "tomato".
        disease: such as "late blight"; "" for a healthy leaf.
        symptoms: what is to be seen, or "".
    """

    crop: str
    disease: str
    symptoms: str = ""

    @property
    def caption(self) -> str:
        """The leaf in one sentence, without its symptoms.

        >>> Leaf("tomato", "late blight").caption, Leaf("apple", "").caption
        ('a leaf of tomato with late blight.', 'a healthy leaf of apple.')
        """
        if not self.disease:
            return f"a healthy leaf of {self.crop}."
        return f"a leaf of {self.crop} with {self.disease}."


def leaf_caption(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a caption of crop and disease, and one with the symptoms where they are known.

    Args:
        record: a row with ``crop``, ``disease`` and maybe ``symptom``; or with a ``label`` as
            PlantVillage's folders have it.

    Raises:
        ContractError: it says neither crop nor disease, or symptoms of a healthy leaf.

    >>> leaf_caption({"label": "Tomato___Late_blight"})
    ('a leaf of tomato with late blight.',)
    >>> leaf_caption({"crop": "Rice", "disease": "blast", "symptom": "Grey spots with brown rims."})
    ('a leaf of rice with blast.', 'a leaf of rice with blast: grey spots with brown rims.')
    """
    leaf = leaf_of(record)
    if not leaf.symptoms:
        return (leaf.caption,)
    return leaf.caption, f"{leaf.caption[:-1]}: {leaf.symptoms}."


def leaf_of(record: Mapping[str, Any]) -> Leaf:
    """Return what a row says of a leaf; see :func:`leaf_caption`."""
    row = {str(key).strip().lower().replace(" ", "_"): value for key, value in record.items()}
    crop, disease = _first(row, CROPS), _first(row, DISEASES)
    label = next((str(row[c]) for c in LABELS if _PARTS in str(row.get(c, ""))), "")
    if label and not (crop and disease):
        crop, disease = parted(label)
    if not crop or not disease:
        raise ContractError(
            "its row names no crop or no disease. Fill the columns 'crop' and 'disease', which is "
            "'healthy' where there is none; or a label such as Tomato___Late_blight."
        )
    healthy = disease.casefold() in HEALTHY
    symptoms = _first(row, SYMPTOMS).rstrip(_SENTENCE_END)
    if healthy and symptoms:
        raise ContractError("it is healthy, and has symptoms of a disease. Correct one.")
    return Leaf(_in_sentence(crop), "" if healthy else _in_sentence(disease), _lowered(symptoms))


def parted(label: str) -> tuple[str, str]:
    """Return crop and disease of a folder's name, in words.

    >>> parted("Pepper,_bell___Bacterial_spot"), parted("Corn_(maize)___Common_rust_")
    (('bell pepper', 'Bacterial spot'), ('Corn', 'Common rust'))
    >>> parted("Tomato___Spider_mites Two-spotted_spider_mite")
    ('Tomato', 'Two-spotted spider mites')
    """
    crop, _, disease = label.partition(_PARTS)
    return CROP_WORDS.get(crop, clean(crop)), DISEASE_WORDS.get(disease, clean(disease))


CROP_WORDS: Mapping[str, str] = {
    "Pepper,_bell": "bell pepper",
    "Pepper_bell": "bell pepper",
    "Corn_(maize)": "Corn",
    "Cherry_(including_sour)": "Cherry",
}
"""PlantVillage's names of crops that do not read as words."""
DISEASE_WORDS: Mapping[str, str] = {
    "Spider_mites Two-spotted_spider_mite": "Two-spotted spider mites",
    "Cercospora_leaf_spot Gray_leaf_spot": "Cercospora gray leaf spot",
    "Esca_(Black_Measles)": "Esca (black measles)",
    "Haunglongbing_(Citrus_greening)": "huanglongbing (citrus greening)",
    "Leaf_blight_(Isariopsis_Leaf_Spot)": "leaf blight (Isariopsis leaf spot)",
    "Tomato_Yellow_Leaf_Curl_Virus": "yellow leaf curl virus",
    "Tomato_mosaic_virus": "mosaic virus",
    "Cedar_apple_rust": "cedar apple rust",
    "Apple_scab": "apple scab",
}
"""PlantVillage's names of diseases that do not read as words, or repeat the crop."""


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    return next((text for column in columns if (text := clean_words(row.get(column)))), "")


def clean_words(value: Any) -> str:
    """Return a value in words; empty where nothing is said. "none" is a healthy leaf's disease."""
    text = " ".join(str("" if value is None else value).replace("_", " ").split())
    return text if text.casefold() in HEALTHY else clean(text)


def _in_sentence(name: str) -> str:
    """Return a name within a sentence: abbreviations and genera keep their capitals.

    >>> _in_sentence("Northern Leaf Blight"), _in_sentence("Cercospora gray leaf spot")
    ('northern leaf blight', 'Cercospora gray leaf spot')
    """
    return _CAPITALISED.sub(lambda found: _lowered(found[0]), name)


def _lowered(text: str) -> str:
    """Return a text whose first letter is a small one, unless its first word keeps a capital."""
    first = _CAPITALISED.match(text)
    return text if first is None or first[0] in GENERA else text[:1].lower() + text[1:]


GENERA = frozenset(("Alternaria", "Cercospora", "Fusarium", "Isariopsis", "Phytophthora",
                    "Septoria", "Verticillium", "Xanthomonas"))  # fmt: skip
"""Genera by which diseases are called; they keep their capital."""
