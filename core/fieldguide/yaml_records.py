"""Reads one record from a YAML file of the user's, and says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import ValidationError

from fieldguide.errors import UsageError
from fieldguide.plain_yaml import load_yaml
from fieldguide.specs import Record, list_faults

if TYPE_CHECKING:
    from pathlib import Path

RecordT = TypeVar("RecordT", bound=Record)


def read_record(path: Path, kind: type[RecordT], needs: str) -> RecordT:
    """Return the record that a file holds.

    Args:
        path: of a YAML file.
        kind: of record.
        needs: what such a file must hold, as the end of the error: "It needs ...".

    Raises:
        UsageError: it cannot be read, is not YAML or does not fit; every fault is listed.
    """
    try:
        content = load_yaml(path)
        if not isinstance(content, dict):
            raise UsageError(f"{path} is not valid: it holds no names with values. {needs}")
        return kind.model_validate(content)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path} cannot be read: {reason}. Check the path.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}. Edit the file.") from error
    except ValidationError as error:  # its own text writes out what aliases stand for
        raise UsageError(f"{path} is not valid: {list_faults(error)}. {needs}") from error
