"""What stands for a patient, a UID and a date in copies: made with the user's salt."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass

MAX_SHIFT_DAYS = 3650
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Pseudonyms:
    """Keyed by a secret salt (HMAC-SHA256, RFC 2104): without it nothing leads back."""

    salt: bytes

    def patient(self, patient_id: str) -> str:
        """Return what a patient is called in all copies."""
        return f"patient-{self._digest('patient', patient_id).hex()[:16]}"

    def uid(self, uid: str) -> str:
        """Return a UID in the place of another, the same for the same: references stay whole.

        It is made from a UUID under the root 2.25 (ISO/IEC 9834-8, DICOM PS3.5 B.2).
        """
        made = uuid.UUID(bytes=self._digest("uid", uid)[:16], version=5)
        return f"2.25.{made.int}"

    def shift_days(self, patient_id: str) -> int:
        """Return by how many days the dates of a patient go back, 1 to ``MAX_SHIFT_DAYS``."""
        number = int.from_bytes(self._digest("shift", patient_id)[:8], "big")
        return 1 + number % MAX_SHIFT_DAYS

    def shifted(self, date: str, patient_id: str) -> str:
        """Return a date or date and time of DICOM, moved back; "" for what is none."""
        found = _DAY.fullmatch(date.strip())
        if found is None or not set(found[4]) <= set("0123456789.+-"):
            return ""
        try:
            day = datetime.date(*(int(part) for part in found.groups()[:3]))
            day -= datetime.timedelta(days=self.shift_days(patient_id))
        except (ValueError, OverflowError):
            return ""
        return f"{day:%Y%m%d}{found[4]}"

    def fingerprint(self, text: str) -> str:
        """Return what changes with a file and its settings, and tells nothing of them."""
        return self._digest("file", text).hex()[:32]

    def _digest(self, kind: str, text: str) -> bytes:
        message = f"export {kind}:{text}".encode("utf-8", "surrogateescape")
        return hmac.new(self.salt, message, hashlib.sha256).digest()
