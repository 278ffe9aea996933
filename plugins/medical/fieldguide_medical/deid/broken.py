"""What the libraries raise on damaged files; their own messages may quote names."""

from __future__ import annotations

import struct
import zlib

from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from pydicom.errors import BytesLengthException, InvalidDicomError

BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # also NotImplementedError and RecursionError
    MemoryError,
    struct.error,
    zlib.error,
    InvalidDicomError,
    BytesLengthException,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
)
