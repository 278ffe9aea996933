"""Whether the hub answers. No network is a normal state: then models come as folders."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fieldguide import __version__
from fieldguide.doctor.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_ENDPOINT = "https://huggingface.co"
TIMEOUT_S = 3.0
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY",
                   "all_proxy", "NO_PROXY", "no_proxy")  # fmt: skip
TRUE = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads them
PROXY_REFUSED = 407
HOW_OFFLINE = (
    "on a machine with a network: hf download OWNER/NAME --local-dir FOLDER; carry the folder over "
    "and name it: --model FOLDER"
)


@dataclass
class HubCall:
    """One call of the hub on a thread of its own: looking up its name has no time limit."""

    endpoint: str
    answer: str = ""
    reached: bool = False
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> HubCall:
        """Start the call and return it."""
        self._thread = threading.Thread(target=self._call, daemon=True)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Wait for the answer, a little longer than the call may take."""
        if self._thread is not None:
            self._thread.join(TIMEOUT_S + 0.5)
        if not self.answer:
            self.answer = f"no answer within {TIMEOUT_S:.0f} s"

    def _call(self) -> None:
        self.reached, self.answer = head(self.endpoint)


def head(url: str) -> tuple[bool, str]:
    """Return whether a server answers a HEAD request, and what happened in words."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        return False, "not an address of the web"
    request = urllib.request.Request(
        url, method="HEAD", headers={"User-Agent": f"fieldguide/{__version__}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return True, "answers"
    except urllib.error.HTTPError as error:  # it is there, whatever it thinks of a HEAD
        return error.code != PROXY_REFUSED, f"answers with {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return False, " ".join(str(error.reason).split())[:200]
    except (OSError, ValueError) as error:
        return False, " ".join(str(error).split())[:200] or type(error).__name__


def endpoint(environment: Mapping[str, str]) -> str:
    """Return the hub's address, the user's own mirror where HF_ENDPOINT names one."""
    return (environment.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def why_offline(environment: Mapping[str, str], *, offline: bool) -> str:
    """Return what forbids the network, or nothing."""
    if offline:
        return "--offline"
    stated = (n for n in OFFLINE_VARIABLES if environment.get(n, "").upper() in TRUE)
    return next((f"{name}={environment[name]}" for name in stated), "")


def network_checks(call: HubCall | None, forbidden_by: str) -> Iterator[Check]:
    """Yield whether the hub answers, and the proxies on the way.

    Args:
        call: a call that was started, or None when the network is not to be touched.
        forbidden_by: what forbids it.
    """
    if call is None:
        yield Check("hub", "ok", f"not asked: offline by {forbidden_by}")
    else:
        call.wait()
        where = without_credentials(call.endpoint)
        if call.reached:
            yield Check("hub", "ok", f"{where} {call.answer}")
        else:
            yield Check("hub", "optional", f"{where} is not reached: {call.answer}", HOW_OFFLINE)
    for name in PROXY_VARIABLES:
        if value := os.environ.get(name):
            yield Check(name, "ok", without_credentials(value))


def without_credentials(address: str) -> str:
    """Return an address without user and password.

    >>> without_credentials("http://me:secret@proxy.example:3128/")
    'http://***@proxy.example:3128/'
    >>> without_credentials("me:se/cr@et@proxy:3128")
    '***@proxy:3128'
    >>> without_credentials("localhost,.example.org")
    'localhost,.example.org'
    """
    scheme, mark, rest = address.rpartition("://") if "://" in address else ("", "", address)
    _, at, host = rest.rpartition("@")  # a password may hold any character, also / and @
    return f"{scheme}{mark}{'***@' if at else ''}{host}"
