"""Which families of addresses this machine can be reached by."""

from __future__ import annotations

import _socket as sockets

_SOMEWHERE = {sockets.AF_INET: "192.0.2.1", sockets.AF_INET6: "2001:db8::1"}  # for documentation (RFC 5737, RFC 3849)
_DISCARD = 9


def ipv6_only() -> bool:
    """Whether there is a way out by IPv6 and none by IPv4, so that ``0.0.0.0`` is reached by nobody else."""
    return _routed(sockets.AF_INET6) and not _routed(sockets.AF_INET)


def _routed(family: int) -> bool:
    """Whether the kernel knows a way to another network. Connecting a datagram socket sends nothing."""
    try:
        probe = sockets.socket(family, sockets.SOCK_DGRAM)
    except OSError:
        return False
    try:
        probe.connect((_SOMEWHERE[family], _DISCARD))
    except OSError:
        return False
    finally:
        probe.close()
    return True
