"""Log records of every library, without private names."""

from __future__ import annotations

import functools
import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fieldguide.privacy.words import HiddenWords

_hidden: weakref.WeakSet[HiddenWords] = weakref.WeakSet()
_lock = threading.Lock()
_is_installed = threading.Event()


def keep_out_of_logs(words: HiddenWords) -> None:
    """Take words out of all log records that are made from now on, as long as they are kept."""
    with _lock:
        _hidden.add(words)
        if not _is_installed.is_set():
            logging.setLogRecordFactory(_without_names(logging.getLogRecordFactory()))
            _is_installed.set()


def silence(loggers: Iterable[str]) -> None:
    """Let loggers say nothing: their messages quote what files hold, which is not known here."""
    for name in loggers:
        logging.getLogger(name).addFilter(_nothing)  # adding it twice is adding it once


def without_names(words: Sequence[str]) -> list[str]:
    """Return the words of a command without what is hidden at the moment."""
    hidden = list(_hidden)
    return [functools.reduce(lambda text, names: names.without(text), hidden, w) for w in words]


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _without_names(make: Any) -> Any:
    def make_record(*args: Any, **keywords: Any) -> logging.LogRecord:
        record: logging.LogRecord = make(*args, **keywords)
        hidden = list(_hidden)
        if hidden:
            _clean(record, hidden)
        return record

    return make_record


def _clean(record: logging.LogRecord, hidden: list[HiddenWords]) -> None:
    try:
        text = record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit; logging says so itself
        return
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        text = f"{text} ({type(error).__name__}: {error})"
        record.exc_info = record.exc_text = None
    for words in hidden:
        text = words.without(text)
    record.msg, record.args = text, None
