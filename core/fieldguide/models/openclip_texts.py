"""The text side's files of an open_clip model: tokenizer, and the configuration of a HF tower.

Both are looked for in the model's folder first, so that a folder works without a network and
without editing anything: ``FOLDER/<last part of the name>/``, then ``FOLDER`` itself, then the
hub. Only JSON, word lists and sentence-piece models are read, never code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import open_clip
from open_clip.hf_configs import arch_dict

from fieldguide.errors import WeightsError
from fieldguide.models.hub import HubRepository, fetch, fetch_group, is_offline
from fieldguide.models.openclip_config import check_no_code, check_numbers, read_json
from fieldguide.models.weights import file_digest

if TYPE_CHECKING:
    from pathlib import Path

    from fieldguide.models.openclip_config import OpenClipConfig

TOWER_CONFIG = "config.json"
FAST_TOKENIZER = "tokenizer.json"
VOCABULARIES = (FAST_TOKENIZER, "vocab.txt", "vocab.json", "spiece.model",
                "sentencepiece.bpe.model", "tokenizer.model", "merges.txt")  # fmt: skip
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
MAX_WORDS_BYTES = 100_000_000
# of a text tower's config.json: each could fetch a kernel or a quantizer from elsewhere
REFUSED_TOWER_KEYS = {"attn_implementation", "_attn_implementation", "quantization_config",
                      "_experts_implementation", "custom_pipelines"}  # fmt: skip
WITHOUT_EFFECT = {"transformers_version", "_name_or_path", "torch_dtype", "dtype", "architectures",
                  "_commit_hash"}  # fmt: skip


@dataclass(frozen=True)
class TextFiles:
    """Where the text side's files lie.

    Attributes:
        tokenizer: folder of the tokenizer; None for the word pieces that open_clip ships.
        tower: folder with the config.json of a Hugging Face text tower; None for open_clip's own.
    """

    tokenizer: Path | None
    tower: Path | None

    def digest(self) -> str:
        """Return one SHA-256 for what these files say."""
        total = hashlib.sha256()
        if self.tokenizer is not None:
            for path in _tokenizer_files(self.tokenizer):
                total.update(f"{path.name}={file_digest(path)};".encode())
        if self.tower is not None:
            content = read_json(self.tower / TOWER_CONFIG)
            kept = {key: value for key, value in content.items() if key not in WITHOUT_EFFECT}
            total.update(json.dumps(kept, sort_keys=True).encode())
        return total.hexdigest()


def find_text_files(config: OpenClipConfig, folder: Path) -> TextFiles:
    """Find, or download, what the text side needs.

    Args:
        config: the model's configuration.
        folder: the model's own folder; for a single file, the one it lies in.

    Raises:
        WeightsError: something is missing; the message says what to put where.
    """
    tokenizer, tower = None, None
    if name := config.text.get("hf_tokenizer_name"):
        tokenizer = _find_tokenizer(name, folder)
        for path in (*(tokenizer / n for n in SETTINGS), tokenizer / TOWER_CONFIG):
            if path.is_file():
                check_no_code(read_json(path), str(path))
    if name := config.text.get("hf_model_name"):
        tower = _find_tower(name, folder)
        _check_tower(tower / TOWER_CONFIG)
    return TextFiles(tokenizer, tower)


def make_tokenizer(config: OpenClipConfig, files: TextFiles) -> Any:
    """Return open_clip's tokenizer, a callable ``(texts) -> (N, context length) int64``.

    Raises:
        WeightsError: its files do not make one.
    """
    length = config.text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH)
    options = dict(config.text.get("tokenizer_kwargs") or {})
    try:
        if files.tokenizer is None:
            return open_clip.SimpleTokenizer(context_length=length, **options)
        return open_clip.tokenizer.HFTokenizer(
            str(files.tokenizer),
            context_length=length,
            tokenizer_mode=config.text.get("tokenizer_mode"),
            local_files_only=True,
            trust_remote_code=False,
            **options,
        )
    except Exception as error:
        # transformers raises whatever its readers of some twenty formats raise
        raise WeightsError(
            f"The tokenizer in {files.tokenizer} cannot be loaded: {type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0][:200]} It needs tokenizer.json and "
            "tokenizer_config.json as its authors published them: copy them again."
        ) from error


def _find_tokenizer(name: str, folder: Path) -> Path:
    beside = folder / _last_part(name)
    for place in (beside, folder):
        if any((place / words).is_file() for words in VOCABULARIES):
            return place
    repository = _repository(name, folder, f"{FAST_TOKENIZER}, {SETTINGS[0]}")
    found = fetch_group(repository, (*SETTINGS, TOWER_CONFIG), VOCABULARIES)
    if found is None:
        raise WeightsError(
            f"{repository}, which the configuration names, has no tokenizer. Put the tokenizer "
            f"files of the model into {folder}."
        )
    return found


def fetch_own_tokenizer(repository: HubRepository) -> None:
    """Download the tokenizer that lies beside a model's weights on the hub, if one does."""
    if not is_offline():
        fetch_group(repository, SETTINGS, VOCABULARIES)


def _find_tower(name: str, folder: Path) -> Path:
    beside = folder / _last_part(name)
    if (beside / TOWER_CONFIG).is_file():
        return beside
    own = folder / TOWER_CONFIG
    if own.is_file() and read_json(own).get("model_type") in arch_dict:
        return folder
    repository = _repository(name, folder, TOWER_CONFIG)
    return fetch(repository, TOWER_CONFIG).parent


def _repository(name: str, folder: Path, files: str) -> HubRepository:
    """Return the repository that a configuration names, or say that the files are missing."""
    try:
        beside = folder / _last_part(name)
        then = f"put them there: mkdir -p {beside}\nThen run the same command again."
        return HubRepository(name, then=then)
    except WeightsError as error:
        raise WeightsError(
            f"{folder} lacks {files}, which its configuration calls {name!r}. Put them into "
            f"{folder}, as open_clip saves them for a hub."
        ) from error


def _check_tower(path: Path) -> None:
    content = read_json(path)
    check_no_code(content, str(path))
    check_numbers(content, str(path))
    kind = content.get("model_type")
    if kind not in arch_dict:
        raise WeightsError(
            f"{path} describes a text tower of the kind {kind!r}; open_clip knows "
            f"{', '.join(arch_dict)}. Put the config.json of the right model there."
        )
    if refused := sorted(REFUSED_TOWER_KEYS & set(content)):
        raise WeightsError(
            f"{path} is refused: {', '.join(refused)} could load code from elsewhere. Remove it "
            "from the file."
        )


def _tokenizer_files(folder: Path) -> list[Path]:
    """Return the files that decide: the fast tokenizer alone where there is one."""
    words = (FAST_TOKENIZER,) if (folder / FAST_TOKENIZER).is_file() else VOCABULARIES
    return [folder / name for name in (*words, *SETTINGS) if (folder / name).is_file()]


def _last_part(name: str) -> str:
    return name.rsplit("/", 1)[-1]
