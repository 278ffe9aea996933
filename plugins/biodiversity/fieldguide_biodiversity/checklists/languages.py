"""Codes of languages: ISO 639-1 where there is one."""

from __future__ import annotations

from functools import cache

import pycountry

_PART_OF = {
    "cmn": "zh",
    "arb": "ar",
    "swh": "sw",
    "ekk": "et",
    "lvs": "lv",
    "pes": "fa",
    "zsm": "ms",
    "khk": "mn",
    "npi": "ne",
    "ory": "or",
    "azj": "az",
    "uzn": "uz",
    "als": "sq",
    "quz": "qu",
    "gug": "gn",
    "iw": "he",
    "greek": "el",
    "mandarin": "zh",
}
"""Languages of their own in ISO 639-3 that ISO 639-1 knows as parts of a larger one; old codes."""


def language_code(written: str | None) -> str:
    """Return a language's two letters of ISO 639-1, else its three of ISO 639-3; empty if unknown.

    Args:
        written: a code of either part, with a region or not, or an English name.

    >>> [language_code(text) for text in ("eng", "fre", "pt-BR", "German", "cbq-Latn", "haw", "?")]
    ['en', 'fr', 'pt', 'de', 'cbq', 'haw', '']
    """
    text = (written or "").strip().lower()
    codes = _codes()
    start = text.replace("_", "-").partition("-")[0].strip()
    return codes.get(text, codes.get(start, "") if len(start) <= 3 else "")


@cache
def _codes() -> dict[str, str]:
    codes: dict[str, str] = {}
    for language in pycountry.languages:
        code = getattr(language, "alpha_2", language.alpha_3)
        for key in ("name", "common_name", "inverted_name", "bibliographic", "alpha_3", "alpha_2"):
            if written := getattr(language, key, ""):
                codes[written.lower()] = code
    return codes | _PART_OF
