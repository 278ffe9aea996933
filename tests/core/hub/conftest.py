"""A hub on this machine, which answers as the real one does or fails as it does."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from huggingface_hub import constants

from fieldguide.models import hub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does, from folders ``org/name``; ``faults`` says what goes wrong."""

    root: Path
    faults: dict[str, str]
    asked: list[str]

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(self.path.split("?")[0])
        self.asked.append(path)
        if path.startswith("/api/models/"):
            self._repository(path.removeprefix("/api/models/").partition("/revision/")[0])
            return
        name, _, rest = path.strip("/").partition("/resolve/")
        revision, _, inside = rest.partition("/")
        file = self.root / name / inside
        fault = self.faults.get(name) or self.faults.get(file.name)
        if revision not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif fault == "gated":
            self._refuse(403, "GatedRepo")
        elif fault == "denied":
            self._refuse(403, "Forbidden")
        elif not file.is_file():
            self._refuse(404, "EntryNotFound")
        else:
            self._file(file, fault, with_body=with_body)

    def _repository(self, name: str) -> None:
        folder = self.root / name
        if not folder.is_dir():
            self._refuse(401, "RepoNotFound")
            return
        siblings = [
            {"rfilename": str(path.relative_to(folder)), "size": path.stat().st_size}
            | ({"lfs": {"sha256": self._sha256(path), "size": path.stat().st_size,
                        "pointerSize": 1}} if path.suffix != ".json" else {})
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]  # fmt: skip
        self._send(200, {"id": name, "sha": COMMIT, "siblings": siblings}, {})

    def _sha256(self, path: Path) -> str:
        known = hashlib.sha256(path.read_bytes()).hexdigest()
        return "0" * 64 if self.faults.get(path.name) == "wrong hash" else known

    def _file(self, file: Path, fault: str | None, *, with_body: bool) -> None:
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            broken = fault == "breaks off"
            self.wfile.write(content[: len(content) // 2] if broken else content)
            if broken:
                self.wfile.flush()
                self.connection.close()

    def _refuse(self, code: int, reason: str) -> None:
        self._send(code, {"error": reason}, {"X-Error-Code": reason, "X-Error-Message": reason})

    def _send(self, code: int, body: Any, headers: dict[str, str]) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    folder = tmp_path / "hf_cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    hub._entries.cache_clear()
    return folder


@pytest.fixture
def server(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    """A hub on this machine that is the only one the library knows."""
    handler = type("Handler", (FakeHub,), {"root": tmp_path / "hub", "faults": {}, "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{running.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE",
                        address + "/{repo_id}/resolve/{revision}/{filename}")  # fmt: skip
    yield handler
    running.shutdown()
    running.server_close()
