"""What may be told of a free-text field: words of a fixed list, never the text.

People write names, dates and numbers into series descriptions. To remove what looks like a name
is to guess; to keep only words of a list is not.
"""

from __future__ import annotations

import re

_LIST = """
abdomen abdominal angio angiography aorta arterial axial body bone brain cardiac cervical chest
colon contrast coronal ct cta delayed enhanced head heart helical kidney liver lumbar lung
mediastinum native neck nephrographic noncontrast pancreas pelvis plain portal portalvenous
pulmonary sagittal sinus skull soft spine spiral standard thin thoracic thorax tissue trunk
unenhanced urogram venous without wholebody
"""
KNOWN_WORDS = frozenset(_LIST.split())

_WORD = re.compile(r"[A-Za-z]+")


def known_words(text: str) -> str:
    """Return the words of a text that are on the list, in their order and lower case.

    >>> known_words("CT Abdomen portal SMITH^JANE 19700101 3.0")
    'ct abdomen portal'
    """
    words = (word.lower() for word in _WORD.findall(text))
    return " ".join(word for word in words if word in KNOWN_WORDS)
