"""Several processes give the gradients of one with the whole batch.

The reference is computed here, by one process, in float64, with losses that are written out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from fieldguide.testing import write_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROWS = {"even": 8, "uneven": 7, "class_prompts": 7}
CLASSES = 3


@pytest.fixture(scope="module")
def worker() -> Iterator[Any]:
    """The module that the processes run; it says which cases there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        import gradient_worker

        yield gradient_worker
        sys.modules.pop("gradient_worker")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model and batches; some pairs have the keys of another, in the other process too."""
    folder = tmp_path_factory.mktemp("inputs")
    write_tiny_checkpoint(folder / "model", architecture="vit")
    generator = torch.Generator().manual_seed(0)
    for name, rows in ROWS.items():
        texts = CLASSES if name == "class_prompts" else rows
        keys = torch.arange(rows)[:, None] % (texts if texts < rows else rows - 2)
        content = {
            "image": torch.randn(rows, 3, 32, 32, generator=generator, dtype=torch.float64),
            "text": torch.randint(2, 99, (texts, 64), generator=generator),
            "image_keys": keys,
            "text_keys": keys[:texts].clone(),
        }
        if name == "class_prompts":
            content["classes"] = torch.ones(1)
        save_file(content, folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def found(
    torchrun: Callable[..., None], inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What each of two processes got, a file for each case and process."""
    results = tmp_path_factory.mktemp("results")
    torchrun(HERE / "gradient_worker.py", inputs, results)
    return results


def infonce(logits: Tensor, _: Tensor, __: Tensor) -> Tensor:
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def sigmoid(logits: Tensor, bias: Tensor, belongs: Tensor) -> Tensor:
    return -F.logsigmoid((2.0 * belongs - 1) * (logits + bias)).sum() / len(logits)


def multi_positive(logits: Tensor, _: Tensor, belongs: Tensor) -> Tensor:
    targets = belongs.double()
    forward = F.cross_entropy(logits, targets / targets.sum(1, keepdim=True))
    return (forward + F.cross_entropy(logits.T, targets.T / targets.T.sum(1, keepdim=True))) / 2


WRITTEN_OUT: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "infonce": infonce, "sigmoid": sigmoid, "multi_positive": multi_positive,
}  # fmt: skip


def expected(worker: Any, inputs: Path, case: Sequence[str]) -> dict[str, Tensor]:
    """Return loss and gradients of one process with the whole batch."""
    loss_name, method, batch_name, _ = case
    batch = load_file(inputs / f"{batch_name}.safetensors")
    towers, (scale, bias) = worker.Towers(inputs / "model", method), worker.scale_and_bias()
    images, texts = towers(batch["image"], batch["text"])
    belongs = batch["image_keys"] == batch["text_keys"].T
    loss = WRITTEN_OUT[loss_name](scale * images @ texts.T, bias, belongs)
    loss.backward()
    trained = towers.trained() | {"scale": scale, "bias": bias}
    return {"loss": loss.detach()} | {
        name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in trained.items()
    }


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm().clamp(min=1e-6))


CASES = [
    (loss, method, batch, way)
    for loss in ("infonce", "sigmoid", "multi_positive")
    for method in ("full", "lora")
    for batch in ("even", "uneven")
    for way in ("averaged", "wrapped", "cached", "cached_and_wrapped")
] + [
    (loss, method, "class_prompts", "averaged")
    for loss in ("sigmoid", "multi_positive")
    for method in ("full", "lora")
]


def assert_equal_gradients(found: Path, wanted: dict[str, Tensor], case: Sequence[str]) -> None:
    for rank in range(2):
        got = load_file(found / f"{'-'.join(case)}.{rank}.safetensors")
        assert got.keys() == wanted.keys()
        errors = {name: relative_error(got[name], wanted[name]) for name in wanted}
        assert max(errors.values()) < 1e-9, (rank, errors)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(
    worker: Any, inputs: Path, found: Path, case: tuple[str, str, str, str]
) -> None:
    assert_equal_gradients(found, expected(worker, inputs, case), case)


def test_two_machines_have_the_gradients_of_one_with_the_whole_batch(
    torchrun: Callable[..., None], worker: Any, inputs: Path, tmp_path: Path
) -> None:
    script = HERE / "gradient_worker.py"
    torchrun(script, inputs, tmp_path, "infonce-lora-uneven", processes=1, machines=2)

    case = ("infonce", "lora", "uneven", "averaged")
    assert_equal_gradients(tmp_path, expected(worker, inputs, case), case)
