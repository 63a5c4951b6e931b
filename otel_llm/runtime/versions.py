"""Whether a version of a library is one that a declaration asks for."""

from __future__ import annotations


def within(version: str, requires: str) -> bool:
    """Whether ``version`` satisfies ``requires``, as packaging says; an empty ``requires`` takes all.

    Plain numbers and the signs ``>=`` and ``<`` are compared here. Importing packaging takes 10 ms and 0.3 MB, so it judges the
    rest: pre-releases, and other signs.
    """
    plain = _plainly(version, requires) if requires else True
    return by_packaging(version, requires) if plain is None else plain


def by_packaging(version: str, requires: str) -> bool:
    """As ``within``, pre-releases included. Raises ``ValueError`` for a version or a requirement that is none."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - see above

    return SpecifierSet(requires).contains(version, prereleases=True)


def _plainly(version: str, requires: str) -> bool | None:
    """None where one of the parts is not plain."""
    release, satisfied = _release(version), True
    if release is None:
        return None
    for clause in requires.split(","):
        sign = ">=" if clause.startswith(">=") else "<"
        bound = _release(clause.removeprefix(sign)) if clause.startswith(sign) else None
        if bound is None:
            return None
        satisfied &= release >= bound if sign == ">=" else release < bound
    return satisfied


def _release(text: str) -> tuple[int, ...] | None:
    """The numbers of a release without zeros at its end; None for anything but numbers with dots between them."""
    parts = text.split(".")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        return None
    while parts and not int(parts[-1]):
        del parts[-1]
    return tuple(map(int, parts))
