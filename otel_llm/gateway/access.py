"""Who may send: anybody, or who knows a password or a token of the file that the operator names."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256
from pathlib import Path

from .options import OptionError


class Access:
    """``lines`` are ``user:password`` (basic) or ``bearer TOKEN``. Without any, everybody may send."""

    def __init__(self, lines: tuple[str, ...] = ()) -> None:
        self._known = [
            _digest(line.partition(" ")[2].strip() if line.lower().startswith("bearer ") else line) for line in lines
        ]

    @classmethod
    def of_file(cls, path: str) -> Access:
        """Read the file. Raises ``OptionError`` where it cannot be read, is empty, or has a line that is neither."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{path} cannot be read: {error}") from None
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
        lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
        for number, line in lines:
            token = line.partition(" ")[2].strip() if line.lower().startswith("bearer ") else ""
            if not token and (":" not in line or line.lower().startswith("bearer ")):
                raise OptionError(f"{path}:{number}: is neither user:password nor bearer TOKEN")
        if not lines:
            raise OptionError(f"{path} has no line of user:password or bearer TOKEN")
        return cls(tuple(line for _, line in lines))

    def allows(self, authorization: str) -> bool:
        """Whether an ``Authorization`` header is one of those. All are compared, so that the time reveals nothing."""
        if not self._known:
            return True
        scheme, _, value = authorization.strip().partition(" ")
        given = value.strip()
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif scheme.lower() != "bearer":
            return False
        digest = _digest(given)
        return sum(hmac.compare_digest(digest, known) for known in self._known) > 0


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "replace")).digest()
