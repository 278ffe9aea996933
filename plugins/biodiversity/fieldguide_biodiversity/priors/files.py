"""Opens tables of occurrences, zipped or not, and reads them in parts, in bounded memory.

What is read: the simple download and the Darwin Core archive of GBIF, which both hold lines with
tabs and no quotes whatever their ending says; and CSV with quotes, such as iNaturalist's export.
"""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv

from fieldguide.data.files import require_file
from fieldguide.errors import LoadError, UsageError
from fieldguide_biodiversity.priors.columns import choose_columns

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

BLOCK_BYTES = 2 << 20
"""Read at once; a line must fit into it. Arrow reads up to 32 of them ahead."""
HEADER_BYTES = 1 << 20
WRONG_LENGTH = "with another number of columns than the first line"

_ENDINGS = (".txt", ".tsv", ".csv")
_BESIDE = ("verbatim.txt", "multimedia.txt", "citations.txt", "rights.txt", "readme.txt")
_BROKEN = (
    OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, NotImplementedError,
    pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError,
)  # fmt: skip
"""What damaged or locked files raise."""


def read_batches(path: Path, dropped: Counter[str]) -> Iterator[dict[str, pa.Array]]:
    """Yield the columns of a table in parts, as texts, by what they hold.

    Args:
        path: a text file or a zip with one.
        dropped: counts lines that cannot be read, by reason.

    Raises:
        UsageError: it is not there, cannot be read, or is no table of occurrences.
    """
    with _in_our_words(path):
        with _opened(path) as stream:
            header = _header(stream)
        delimiter = _delimiter(header)
        quotes = delimiter != "\t"
        columns = choose_columns(_split(header, delimiter, quotes=quotes))
        with _opened(path) as stream:
            reader = _reader(stream, delimiter, sorted(set(columns.values())), dropped)
            for batch in reader:
                yield {thing: batch.column(name) for thing, name in columns.items()}


def _reader(
    stream: Any, delimiter: str, names: list[str], dropped: Counter[str]
) -> pyarrow.csv.CSVStreamingReader:
    quotes = delimiter != "\t"

    def skip(_row: pyarrow.csv.InvalidRow) -> str:
        dropped[WRONG_LENGTH] += 1
        return "skip"

    return pyarrow.csv.open_csv(
        pa.PythonFile(stream, mode="r"),
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if quotes else False,
            newlines_in_values=quotes,
            invalid_row_handler=skip,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
        ),
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive, archive.open(_member(archive)) as member:
        yield member


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the table of an archive; nothing is unpacked, so that its path may be anything."""
    tables = [
        info
        for info in archive.infolist()
        if (name := PurePosixPath(info.filename.lower()).name).endswith(_ENDINGS)
        and name not in _BESIDE
    ]
    named = [info for info in tables if PurePosixPath(info.filename.lower()).stem == "occurrence"]
    found = named or tables
    if len(found) != 1:
        raise UsageError(
            f"it holds {len(found)} tables, and none of them is called occurrence.txt. Unpack it, "
            "and name the table of occurrences."
        )
    return found[0]


def _header(stream: Any) -> str:
    line = stream.readline(HEADER_BYTES)
    if len(line) == HEADER_BYTES:
        raise UsageError("its first line has no end. Give a table with one line a record.")
    if not line.strip():
        raise UsageError("its first line is empty. Give a table with its columns' names in it.")
    return str(line.decode("utf-8-sig")).rstrip("\r\n")


def _delimiter(header: str) -> str:
    return max("\t,;", key=header.count)


def _split(header: str, delimiter: str, *, quotes: bool) -> list[str]:
    names = header.split(delimiter)
    return [name.strip('"') for name in names] if quotes else names


@contextlib.contextmanager
def _in_our_words(path: Path) -> Iterator[None]:
    try:
        require_file(path)
        yield
    except (LoadError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file. Check the path.") from error
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(
            f"{path}: it cannot be read as a table of occurrences ({reason}). Download it again."
        ) from error
