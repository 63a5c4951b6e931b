"""Spend and baselines on disk: a small file each in the state directory that outlives restarts and crashes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from otel_llm.core.digest import sha256

logger = logging.getLogger("otel_llm")
FORMAT = "otel-llm-spend 1"


def save(path: str | os.PathLike[str], state: object, what: str = "Spend") -> bool:
    """Write what ``Spend.dump`` gave, or ``what`` else. A reader sees the old file or the new one, never a part.

    False (and a warning) on failure.
    """
    import json  # noqa: PLC0415 - as ``load``

    target = Path(path)
    body = json.dumps(state, separators=(",", ":"))
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(f"{FORMAT} {_checksum(body)}\n{body}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        logger.warning("%s could not be saved to %s (%s); it would be lost with this process.", what, target, error)
        return False
    return True


def load(path: str | os.PathLike[str], what: str = "Spend") -> object | None:
    """What ``Spend.load`` takes, or ``what`` else was saved; None where there is no file, or (with a warning) none of ours.

    Raises ``OSError``.
    """
    import json  # noqa: PLC0415 - a start does without

    target = Path(path)
    try:
        head, _, body = target.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return None
    except (IsADirectoryError, UnicodeDecodeError) as error:
        _warn(target, what, str(error))
        return None
    name, _, checksum = head.rpartition(" ")
    if name != FORMAT:
        _warn(target, what, f"not of format {FORMAT!r}")
        return None
    body = body.removesuffix("\n")
    if checksum != _checksum(body):
        _warn(target, what, "its checksum is wrong")
        return None
    return json.loads(body)  # type: ignore[no-any-return] # whatever was saved


def _warn(target: Path, what: str, why: str) -> None:
    logger.warning(
        "%s could not be read from %s (%s); counting starts from zero. Your calls are unaffected.", what, target, why
    )


def _checksum(body: str) -> str:
    return sha256(body.encode())
