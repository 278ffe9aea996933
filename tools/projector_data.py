"""Frozen features and texts of one data set, through the project's own readers and towers."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import tqdm
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from fieldguide.data.inputs import Item, read_manifest
from fieldguide.data.pipeline import Reader
from fieldguide.data.routing import find_modality, loader_specs, make_loaders
from fieldguide.errors import UsageError
from fieldguide.models.efficientnet_lite import load_efficientnet_lite0
from fieldguide.models.embedded import input_contract, normalise, stage_features
from fieldguide.models.minilm import MiniLMTextTower
from fieldguide.models.weights import file_digest, weight_paths
from fieldguide.tuning.training.symmetry import symmetry
from fieldguide.zeroshot.class_sets import ClassSet, load_class_set

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fieldguide.plugins import Catalog

BATCH = 32
TOP = Path(__file__).parents[1]


@dataclass(frozen=True)
class Recipe:
    """One entry of projectors.yaml: what is trained on what, and the words of its card.

    Attributes:
        manifest: relative to the folder of data.
        views: which of the eight symmetries of the square are training views; 0 is the image.
        group_column: rows that share it came from one source; None where every row stands alone.
        min_groups: the macro figure covers classes with at least so many groups in the test split.
        card: paragraphs of the card by name.
    """

    dataset: str
    model: str
    domain: str
    modality: str
    class_set: str
    manifest: str
    views: tuple[int, ...]
    group_column: str | None
    min_groups: int
    card: dict[str, Any]

    @property
    def weights(self) -> Path:
        """Where the projector is shipped."""
        package = TOP / "plugins" / self.domain / f"fieldguide_{self.domain}"
        return package / "weights" / f"{self.model}.safetensors"


def read_recipes() -> dict[str, Recipe]:
    """Return the recipes by name of their data set."""
    content = yaml.safe_load(Path(__file__).with_name("projectors.yaml").read_text("utf-8"))
    return {
        name: Recipe(dataset=name, **{**entry, "views": tuple(entry["views"])})
        for name, entry in content.items()
    }


class FrozenSet:
    """The rows of a manifest with cached outputs of both frozen towers.

    Attributes:
        items: all rows, in the order of the manifest.
        labels: (N,) place of each row's label in the class set.
        split: (N,) "train", "val" or "test".
        groups: (N,) the group of each row, its number where it has none.
        pairs: row and place in ``captions`` of every caption.
    """

    def __init__(self, recipe: Recipe, data: Path, cache: Path, catalog: Catalog) -> None:
        self.recipe, self.cache, self.catalog = recipe, cache, catalog
        self.manifest = data / recipe.manifest
        self.items = list(read_manifest(self.manifest))
        self.class_set: ClassSet = load_class_set(recipe.class_set, catalog)
        record = catalog.registry.model(recipe.model)
        frozen = {role: file for role, file in record.files.items() if role != "join"}
        self.record = record.model_copy(update={"files": frozen})
        self.paths = weight_paths(self.record)
        self.contract = input_contract(self.record)
        names = [str(item.metadata["label"]) for item in self.items]
        if unknown := set(names) - set(self.class_set.labels):
            raise UsageError(f"{recipe.class_set} lacks the labels {sorted(unknown)}")
        self.labels = torch.tensor([self.class_set.labels.index(name) for name in names])
        self.split = np.array([item.metadata["split"] for item in self.items])
        column = recipe.group_column
        self.groups = np.array(
            [str(item.metadata[column] if column else row) for row, item in enumerate(self.items)]
        )
        owned = [item.metadata.get("captions", ()) for item in self.items]
        self.captions = sorted({caption for captions in owned for caption in captions})
        place = {caption: number for number, caption in enumerate(self.captions)}
        self.pairs = [(row, place[c]) for row, captions in enumerate(owned) for c in captions]

    def rows(self, split: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the rows of a split."""
        return np.flatnonzero(self.split == split)

    @cached_property
    def features(self) -> Tensor:
        """(N, 1904) of every row as it is."""
        return self._view(0, range(len(self.items)))

    @cached_property
    def train_views(self) -> Tensor:
        """(V, N_train, 1904) of the training rows."""
        rows = self.rows("train").tolist()
        return torch.stack(
            [self._view(v, rows) if v else self.features[rows] for v in self.recipe.views]
        )

    @cached_property
    def caption_vectors(self) -> Tensor:
        """(M, 384) of the distinct captions."""
        return self._texts("captions", self.captions)

    @cached_property
    def prompt_vectors(self) -> list[Tensor]:
        """(P, 384) of each class, all its prompts."""
        prompts = self.class_set.prompts()
        flat = self._texts("prompts", [text for texts in prompts.values() for text in texts])
        return list(torch.split(flat, [len(texts) for texts in prompts.values()]))

    def pairs_of(self, rows: Sequence[int]) -> Tensor:
        """Return (K, 2) place in ``rows`` and place in ``captions``."""
        back = {row: number for number, row in enumerate(rows)}
        kept = [(back[row], caption) for row, caption in self.pairs if row in back]
        return torch.tensor(kept, dtype=torch.long).reshape(-1, 2)

    def _texts(self, kind: str, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, self.record.stated("embed_dim"))
        files = self.record.files
        key = repr((texts, files["text"].sha256, files["tokenizer"].sha256))
        return self._cached(kind, key, lambda: self._encode_texts(texts))

    def _encode_texts(self, texts: Sequence[str]) -> Tensor:
        device = torch.device("cpu")
        return MiniLMTextTower(self.paths["text"], self.paths["tokenizer"], device).encode(texts)

    def _view(self, view: int, rows: Sequence[int]) -> Tensor:
        vision = self.record.files["vision"].sha256
        key = repr((file_digest(self.manifest), list(rows), vision, self.contract.digest, view))
        return self._cached(f"view{view}", key, lambda: self._encode_images(view, rows))

    def _cached(self, kind: str, key: str, compute: Callable[[], Tensor]) -> Tensor:
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        path = self.cache / f"{self.recipe.dataset}.{kind}.{digest}.safetensors"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"x": compute().contiguous()}, path)
        return load_file(path)["x"]

    @torch.inference_mode()
    def _encode_images(self, view: int, rows: Sequence[int]) -> Tensor:
        vision = load_efficientnet_lite0(str(self.paths["vision"]))
        vision = vision.to(memory_format=torch.channels_last)
        read = self._reader().read
        found = []
        starts = range(0, len(rows), BATCH)
        with ThreadPoolExecutor(2) as pool:
            for start in tqdm.tqdm(starts, f"{self.recipe.dataset} view {view}", leave=False):
                batch = pool.map(lambda row: _pixels(read, self.items[row]), rows[start:][:BATCH])
                pixels = torch.from_numpy(np.stack(list(batch))).permute(0, 3, 1, 2)
                found.append(stage_features(vision, seen_as(normalise(pixels), view)))
        return torch.cat(found)

    def _reader(self) -> Reader:
        modality = find_modality(self.catalog.domains[self.recipe.domain], self.recipe.modality)
        specs = loader_specs(modality, self.catalog)
        return Reader(
            loaders=make_loaders(self.items, specs, {}),
            specs=specs,
            contract=self.contract,
            repairs=modality.repairs,
            check=modality.import_target(modality.check) if modality.check else None,
        )


def seen_as(pixels: Tensor, view: int) -> Tensor:
    """Return one of the eight symmetries, in the order of memory that convolutions are fast in."""
    return symmetry(pixels, view).contiguous(memory_format=torch.channels_last)


def _pixels(read: Callable[[Item], Any], item: Item) -> Any:
    row, pixels = read(item)
    if pixels is None:
        raise UsageError(f"{item.name}: {row.reason}")
    return pixels
