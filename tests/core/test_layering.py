"""Who may import whom, and when; read from the source, so that a hidden import counts too."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core" / "fieldguide"
PLUGINS = {path.name: path for path in sorted(ROOT.glob("plugins/*/fieldguide_*"))}
PACKAGES = {"fieldguide": CORE, **PLUGINS}

LIGHT_NAMES = (
    *("__init__", "__main__", "builtin", "contract", "errors", "extras", "hookspecs"),
    *("plugins", "registry", "registry_files", "registry_records", "samples", "specs"),
)
LIGHT = [
    *(CORE / f"{name}.py" for name in LIGHT_NAMES),
    *sorted(CORE.glob("cli/*.py")),
    *(path / name for path in PLUGINS.values() for name in ("__init__.py", "plugin.py")),
]
LIGHT_PACKAGES = {"click", "packaging", "pluggy", "pydantic", "yaml"} | sys.stdlib_module_names

TARGET = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")

pytestmark = pytest.mark.skipif(not PLUGINS, reason="needs the source tree")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def sources(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Yield the full name of every module, or of every name taken from one."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield all strings that are no docstrings."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value


def packages_named_in(path: Path) -> set[str]:
    """Return the plugin packages that a module names in an import or in a string."""
    tree = tree_of(path)
    named = [*imported(ast.walk(tree)), *texts(tree)]
    return {word for text in named for word in re.findall(r"\bfieldguide_\w*", text)}


def at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from at_import(node.orelse)
            continue
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from at_import(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from at_import(handler.body)


def file_of(name: str) -> Path | None:
    """Return the file of one of our modules, or of the module that a name is taken from."""
    top, *rest = name.split(".")
    while top in PACKAGES:
        path = PACKAGES[top].joinpath(*rest)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
        if not rest:
            break
        rest = rest[:-1]
    return None


def imported_at_start(path: Path) -> dict[str, Path]:
    """Return what a module imports at its import, directly or not, and where it is imported."""
    found: dict[str, Path] = {}
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        for name in imported(at_import(tree_of(here).body)):
            own = file_of(name)
            if own is None:
                found.setdefault(name.partition(".")[0], here)
            else:
                waiting.append(own)
    return found


@pytest.mark.parametrize("path", sources(CORE), ids=label)
def test_no_module_of_the_core_names_a_plugin(path: Path) -> None:
    assert packages_named_in(path) == set()


@pytest.mark.parametrize("package", PLUGINS)
def test_no_plugin_names_another_plugin(package: str) -> None:
    others = {
        label(path): names - {package}
        for path in sources(PLUGINS[package])
        if (names := packages_named_in(path))
    }
    assert {path for path, names in others.items() if names} == set()


def test_the_check_finds_imports_in_functions_and_in_strings(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        '"""Not fieldguide_docs."""\n'
        "def f():\n    import fieldguide_one.x\n    from fieldguide_two import y\n"
        "load_target('fieldguide_three.z:f')\n"
        "load_target(f'fieldguide_{name}.z:f')\n",
        "utf-8",
    )
    names = {"fieldguide_one", "fieldguide_two", "fieldguide_three", "fieldguide_"}
    assert packages_named_in(planted) == names


@pytest.mark.parametrize("path", LIGHT, ids=label)
def test_a_light_module_imports_nothing_heavy_not_even_through_another(path: Path) -> None:
    heavy = {
        name: label(where)
        for name, where in imported_at_start(path).items()
        if name not in LIGHT_PACKAGES
    }
    assert heavy == {}


def test_the_check_finds_what_a_heavy_module_imports() -> None:
    assert {"torch", "numpy"} <= set(imported_at_start(CORE / "models" / "embedded.py"))


def test_the_linter_finds_torch_planted_in_any_light_module(tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path in LIGHT:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text("utf-8") + "\nimport torch\n", "utf-8")

    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID253"]
    done = subprocess.run(
        [*command, "--output-format", "json", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    found = {Path(finding["filename"]) for finding in json.loads(done.stdout)}
    missed = {label(path) for path in LIGHT if tmp_path / path.relative_to(ROOT) not in found}
    assert missed == set()


def values(content: object) -> Iterator[str]:
    """Yield every string of parsed YAML, keys too."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from (*values(key), *values(value))
    elif isinstance(content, list):
        for value in content:
            yield from values(value)
    elif isinstance(content, str):
        yield content


REGISTRIES = [ROOT / "registry.yaml", *sorted(ROOT.glob("plugins/*/*/registry.yaml"))]


@pytest.mark.parametrize("path", REGISTRIES, ids=label)
def test_no_registry_names_python_code(path: Path) -> None:
    texts_of_file = list(values(yaml.safe_load(path.read_text("utf-8"))))

    assert texts_of_file
    assert [text for text in texts_of_file if TARGET.match(text)] == []


def undocumented(body: list[ast.stmt], where: str) -> Iterator[str]:
    """Yield the public classes, functions and methods that have no docstring."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        if ast.get_docstring(node) is None and "overload" not in decorators:
            yield f"{where}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{where}{node.name}.")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_says_what_it_is(package: str) -> None:
    missing: list[str] = []
    for path in sources(PACKAGES[package]):
        tree = tree_of(path)
        missing += [] if ast.get_docstring(tree) else [label(path)]
        missing += undocumented(tree.body, f"{label(path)}: ")
    assert missing == []
