"""Hashes of text that is compared or shown. ``hashlib`` loads OpenSSL: a start does without, and ``ready`` imports it before calls come."""

from __future__ import annotations


def ready() -> None:
    """Import now what the others do."""
    import hashlib  # noqa: F401, PLC0415


def digest(text: str, size: int = 16) -> bytes:
    """A hash of ``size`` bytes, of any text there can be."""
    from hashlib import blake2b  # noqa: PLC0415

    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def sha256(data: bytes) -> str:
    """The SHA-256, as ``sha256sum`` prints it."""
    from hashlib import sha256 as made  # noqa: PLC0415

    return made(data).hexdigest()
