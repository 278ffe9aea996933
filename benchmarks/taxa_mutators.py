"""Ways to damage what species come in: tables, JSON, archives and columnar files, by their sense.

A flipped byte rarely passes a checksum or a parser; these keep the form and change what is said:
cells that change places, names of a megabyte, parents in a circle, archives of archives.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from hostile_mutators import BINARY, FILES, TEXT, Mutant

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hostile_seeds import Seed

    OfBytes = Callable[[bytes, random.Random], bytes]

ODD = ("", "NaN", "nan", "-inf", "1e999", "-1", "0", "99999999999999999999", "../../etc/passwd",
       "\\N", "\x00", "null", "\ufeff", "\u202egnp", "=1+1", "id:", "region:", "/", "Turdus/",
       "é" * 300, "x" * 2**20, "a/" * 5000, "\u00d7", "\ud7ff", "None", "species:", "1", "2",
       "2026-99-99", "0000:00:00", "91", "Turdus merula", "Aves", "\r", "'", '"')  # fmt: skip
VALUES: tuple[Any, ...] = (None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**400, "", "x",
    "../../etc/passwd", "/etc/passwd", "\x00", [], {}, [[]], {"a": {}}, "1", ["x"] * 1000,
    "x" * 2**20, [None], [1, 2, 3, 4], [float("nan")] * 4, [-5, -5, 1e9, 1e9])  # fmt: skip
SYNONYMS = 10_000
BOMB_BYTES = 2**30
ROWS_OF_QUERIES = 500
TABLES = (".csv", ".tsv", ".txt")


def make_taxa_mutant(seed: Seed, seeds: Sequence[Seed], folder: Path, rng: random.Random) -> Mutant:
    """Write a copy of a seed into a folder and damage one of its files."""
    shutil.copytree(seed.folder, folder)
    entry = folder / seed.entry
    victim = entry if entry.is_file() else rng.choice(sorted(folder.iterdir()))
    if rng.random() < 0.08:
        name = rng.choice([*FILES])
        FILES[name](victim, rng, seeds)
        return Mutant(seed, entry, f"{name} {victim.name}")
    content, name = _damaged(victim.name, victim.read_bytes(), rng)
    if seed.kind == "queries" and content.count(b"\n") > ROWS_OF_QUERIES:
        content = content[: ROWS_OF_QUERIES * 20]  # each is a search: so many take their time
    victim.write_bytes(content)
    return Mutant(seed, entry, f"{name} {victim.name}")


def _damaged(name: str, content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Return what a file of a name holds now, and what was done."""
    if name.endswith(".zip") and rng.random() < 0.85:
        return _archive(content, rng)
    if name.endswith(".gz") and rng.random() < 0.8:
        import gzip

        inner, story = _damaged(name.removesuffix(".gz"), gzip.decompress(content), rng)
        return gzip.compress(inner), story
    ways: dict[str, OfBytes] = dict(BINARY)
    if name.endswith((*TABLES, ".json", ".yaml", ".xml")):
        ways = {**ways, **TEXT, "crlf": crlf, "nul": nul, "byte order mark": mark}
    own = _own(name)
    if own and rng.random() < 0.6:
        ways = own
    chosen = rng.choice([*ways])
    return ways[chosen](content, rng), chosen


def _own(name: str) -> dict[str, OfBytes]:
    if name.endswith(TABLES):
        return TABULAR
    if name.endswith(".json"):
        return {"other values": other_values}
    return COLUMNAR if name.endswith((".tree", ".prior")) else {}


# -- any text ------------------------------------------------------------------------------------


def crlf(content: bytes, _: random.Random) -> bytes:
    return content.replace(b"\n", b"\r\n")


def nul(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + b"\0" * rng.choice((1, 1000)) + content[place:]


def mark(content: bytes, _: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + content


# -- tables --------------------------------------------------------------------------------------


def _edited(change: Callable[[list[list[str]], random.Random], None]) -> OfBytes:
    def mutate(content: bytes, rng: random.Random) -> bytes:
        text = content.decode("utf-8", "replace")
        delimiter = "\t" if "\t" in text else ","
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
        if not rows:
            return content
        change(rows, rng)
        target = io.StringIO()
        csv.writer(target, delimiter=delimiter, lineterminator="\n").writerows(rows)
        return target.getvalue().encode("utf-8", "surrogatepass")

    return mutate


def _odd_cells(rows: list[list[str]], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 5))):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(ODD)


def _odd_column(rows: list[list[str]], rng: random.Random) -> None:
    place, value = rng.randrange(len(rows[0])), rng.choice(ODD[:30])
    for row in rows[1:]:
        if place < len(row):
            row[place] = value if len(value) < 1000 else value[:1000]


def _swapped_columns(rows: list[list[str]], rng: random.Random) -> None:
    one, two = rng.randrange(len(rows[0])), rng.randrange(len(rows[0]))
    for row in rows[rng.choice((0, 1)) :]:  # with the header it is another order, without a lie
        if max(one, two) < len(row):
            row[one], row[two] = row[two], row[one]


def _huge_cell(rows: list[list[str]], rng: random.Random) -> None:
    row = rng.choice(rows)
    row[rng.randrange(len(row))] = rng.choice(("x", "Aus bus ", "é", "(")) * 2**20


def _copied_cells(rows: list[list[str]], rng: random.Random) -> None:
    """Give a row the id, parent or name of another: circles, doubles, lost parents."""
    for _ in range(rng.choice((1, 3, 8))):
        source, target = rng.choice(rows), rng.choice(rows)
        value = rng.choice(source)
        target[rng.randrange(len(target))] = value


def _many_alike(rows: list[list[str]], rng: random.Random) -> None:
    """Repeat one row ten thousand times, with other ids: synonyms of one name."""
    row = rng.choice(rows)
    place = rng.choice((0, 0, rng.randrange(len(row))))
    for number in range(SYNONYMS):
        copy = [*row]
        copy[place] = f"{copy[place]}{number}" if rng.random() < 0.99 else copy[place]
        rows.append(copy)


def _deep(rows: list[list[str]], _: random.Random) -> None:
    """Append a chain of five thousand rows, each of which names the one before."""
    width = len(rows[0])
    before = rows[-1][0]
    for number in range(5000):
        row = [f"d{number}", before, "", f"Deepus{number}", "genus", "accepted"][:width]
        rows.append(row + [""] * (width - len(row)))
        before = f"d{number}"


def _ragged(rows: list[list[str]], rng: random.Random) -> None:
    for row in rng.sample(rows, min(3, len(rows))):
        if rng.random() < 0.5:
            del row[rng.randrange(len(row)) :]
        else:
            row += ["x"] * rng.choice((1, 100, 10_000))


def _other_header(rows: list[list[str]], rng: random.Random) -> None:
    place = rng.randrange(len(rows[0]))
    rows[0][place] = rng.choice(("", rows[0][0], "species", "parent", "x" * 1000, "NaN", "\x00"))


TABULAR: dict[str, OfBytes] = {
    each.__name__.strip("_"): _edited(each)
    for each in (_odd_cells, _odd_column, _swapped_columns, _huge_cell, _copied_cells, _many_alike,
                 _deep, _ragged, _other_header)
}  # fmt: skip


# -- JSON ----------------------------------------------------------------------------------------


def other_values(content: bytes, rng: random.Random) -> bytes:
    """Return JSON in which some values are others, or gone, or other keys."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = list(_places(value))
        if not places:
            break
        holder, key = rng.choice(places)
        way = rng.random()
        if way < 0.75:
            holder[key] = rng.choice(VALUES)
        elif way < 0.9:
            del holder[key]
        elif isinstance(holder, list):
            holder += [holder[key]] * rng.choice((1, 5000))
        else:
            holder[rng.choice(("id", "file", "x" * 1000, "", "category_id"))] = holder.pop(key)
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        yield value, key
        if isinstance(child, dict | list):
            yield from _places(child)


# -- archives ------------------------------------------------------------------------------------


def _archive(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice([*members])
    if rng.random() < 0.6:
        members[name], story = _damaged(name, members[name], rng)
        return _zipped(members.items()), f"{story} in {name}"
    way = rng.choice([*ARCHIVES])
    return ARCHIVES[way](members, name, content), f"{way} {name}"


def _zipped(members: Any) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


def _bomb(members: dict[str, bytes], name: str, _: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other in members.keys() - {name}:
            archive.writestr(other, members[other])
        with archive.open(name, "w", force_zip64=True) as stream:
            stream.write(members[name])
            for _ in range(BOMB_BYTES >> 24):
                stream.write(b"\n" * 2**24)
    return target.getvalue()


def _nested(members: dict[str, bytes], name: str, content: bytes) -> bytes:
    return _zipped([*members.items(), ("inner.zip", content)] if name else [])


def _only_nested(_: dict[str, bytes], name: str, content: bytes) -> bytes:
    return _zipped([(f"{name}.zip", content)])


def _leading_out(members: dict[str, bytes], name: str, _: bytes) -> bytes:
    return _zipped(
        (f"../../{key}" if key == name else key, value) for key, value in members.items()
    )


def _rooted(members: dict[str, bytes], name: str, _: bytes) -> bytes:
    return _zipped((f"/tmp/{key}" if key == name else key, value) for key, value in members.items())


def _without(members: dict[str, bytes], name: str, _: bytes) -> bytes:
    return _zipped((key, value) for key, value in members.items() if key != name)


def _a_link(members: dict[str, bytes], name: str, _: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for key, value in members.items():
            info = zipfile.ZipInfo(key)
            info.external_attr = (0o120777 if key == name else 0o100644) << 16
            archive.writestr(info, b"/etc/passwd" if key == name else value)
    return target.getvalue()


def _many_members(members: dict[str, bytes], _: str, __: bytes) -> bytes:
    return _zipped([*members.items(), *((f"{n}.txt", b"a\tb\n") for n in range(20_000))])


def _lying_size(_: dict[str, bytes], __: str, content: bytes) -> bytes:
    place = content.rfind(b"PK\x01\x02")
    return content[: place + 24] + b"\xff\xff\xff\x7f" + content[place + 28 :]


def _encrypted(_: dict[str, bytes], __: str, content: bytes) -> bytes:
    place = content.find(b"PK\x01\x02")
    return content[: place + 8] + b"\x01" + content[place + 9 :]


ARCHIVES: dict[str, Callable[[dict[str, bytes], str, bytes], bytes]] = {
    each.__name__.strip("_"): each
    for each in (_bomb, _nested, _only_nested, _leading_out, _rooted, _without, _a_link,
                 _many_members, _lying_size, _encrypted)
}  # fmt: skip


# -- columnar files ------------------------------------------------------------------------------


def _rewritten(change: Callable[[pa.Table, random.Random], pa.Table]) -> OfBytes:
    def mutate(content: bytes, rng: random.Random) -> bytes:
        is_arrow = content.startswith(b"ARROW1")
        source = pa.BufferReader(content)
        table = pa.ipc.open_file(source).read_all() if is_arrow else pq.read_table(source)
        changed = change(table, rng)
        target = pa.BufferOutputStream()
        if is_arrow:
            with pa.ipc.new_file(target, changed.schema) as writer:
                writer.write_table(changed)
        else:
            pq.write_table(changed, target)
        return bytes(target.getvalue())

    return mutate


def _odd_numbers(table: pa.Table, rng: random.Random) -> pa.Table:
    numeric = [n for n, field in enumerate(table.schema) if pa.types.is_integer(field.type)]
    place = rng.choice(numeric)
    field = table.schema.field(place)
    values = table.column(place).to_pylist()
    limit = 2 ** (field.type.bit_width - 1) - 1
    for _ in range(rng.choice((1, 2, len(values)))):
        row = rng.randrange(len(values))
        values[row] = rng.choice((0, 1, -1, -2, row, row + 1, limit, -limit, 100 % (limit + 1)))
    return table.set_column(place, field, pa.array(values, field.type))


def _odd_texts(table: pa.Table, rng: random.Random) -> pa.Table:
    textual = [n for n, field in enumerate(table.schema) if pa.types.is_string(field.type)]
    place = rng.choice(textual)
    values = table.column(place).to_pylist()
    values[rng.randrange(len(values))] = rng.choice(ODD)
    return table.set_column(place, table.schema.field(place), pa.array(values, pa.string()))


def _nulls(table: pa.Table, rng: random.Random) -> pa.Table:
    place = rng.randrange(table.num_columns)
    field = table.schema.field(place).with_nullable(True)
    return table.set_column(place, field, pa.nulls(len(table), field.type))


def _less(table: pa.Table, rng: random.Random) -> pa.Table:
    if rng.random() < 0.5:
        return table.slice(0, rng.randrange(len(table)))
    return table.remove_column(rng.randrange(table.num_columns))


def _other_types(table: pa.Table, rng: random.Random) -> pa.Table:
    place = rng.randrange(table.num_columns)
    values = pa.array([rng.choice(("x", "1", "é")) for _ in range(len(table))])
    return table.set_column(place, table.schema.field(place).name, values)


def _shuffled(table: pa.Table, rng: random.Random) -> pa.Table:
    order = list(range(len(table)))
    rng.shuffle(order)
    return table.take(order)


def _repeated(table: pa.Table, _: random.Random) -> pa.Table:
    return pa.concat_tables([table] * 2000).combine_chunks()


def _other_metadata(table: pa.Table, rng: random.Random) -> pa.Table:
    metadata = {key: other_values(value, rng) if value.startswith(b"{") else value
                for key, value in (table.schema.metadata or {}).items()}  # fmt: skip
    return table.replace_schema_metadata(metadata if rng.random() < 0.9 else None)


COLUMNAR: dict[str, OfBytes] = {
    each.__name__.strip("_"): _rewritten(each)
    for each in (_odd_numbers, _odd_numbers, _odd_texts, _nulls, _less, _other_types, _shuffled,
                 _repeated, _other_metadata)
}  # fmt: skip
