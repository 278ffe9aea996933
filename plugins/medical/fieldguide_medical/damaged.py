"""What readers of damaged files raise, whichever library reads them."""

from __future__ import annotations

import struct
import zlib

DAMAGED = (
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
)
"""To which each reader adds what its own library raises."""
