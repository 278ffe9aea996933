"""A caption that knows which template it was made from."""

from __future__ import annotations


class Caption(str):
    """A text, to be used as any other, and where it comes from.

    Attributes:
        template: the id of its template and the version of its file: ``boxes/1:image_there``.

    >>> caption = Caption("An image of two ships.", "boxes/1:image_of")
    >>> caption, caption.template
    ('An image of two ships.', 'boxes/1:image_of')
    """

    template: str

    def __new__(cls, text: str, template: str) -> Caption:
        """Return the text with its template."""
        caption = super().__new__(cls, text)
        caption.template = template
        return caption
