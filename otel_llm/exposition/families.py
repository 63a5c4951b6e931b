"""Which families of addresses this machine can be reached by."""

from __future__ import annotations

import _socket as sockets

_ELSEWHERE = {sockets.AF_INET: "192.0.2.1", sockets.AF_INET6: "2001:db8::1"}  # for documentation (RFC 5737, RFC 3849)
_HERE = {sockets.AF_INET: "127.0.0.1", sockets.AF_INET6: "::1"}
_DISCARD = 9


def ipv6_only() -> bool:
    """Whether there is a way by IPv6 and none by IPv4, so that ``0.0.0.0`` is reached by nobody else."""
    if _routed(sockets.AF_INET, _ELSEWHERE):
        return False
    return _routed(sockets.AF_INET6, _ELSEWHERE) or (
        _routed(sockets.AF_INET6, _HERE) and not _routed(sockets.AF_INET, _HERE)
    )


def _routed(family: int, to: dict[int, str]) -> bool:
    """Whether the kernel knows a way there. Connecting a datagram socket sends nothing."""
    try:
        probe = sockets.socket(family, sockets.SOCK_DGRAM)
    except OSError:
        return False
    try:
        probe.connect((to[family], _DISCARD))
    except OSError:
        return False
    finally:
        probe.close()
    return True
