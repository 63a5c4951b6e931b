"""Whether a journal may be mapped into memory: only where the file system keeps room for every page that was reserved.

On a copy-on-write file system (btrfs, zfs, bcachefs) a page that is written again needs new room. On a full disk there is none,
and the kernel ends the process with SIGBUS. On a network or user-space file system the same happens when the server goes away.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_KEEPS_ROOM = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "ramfs"})
_MOUNTS = Path("/proc/self/mountinfo")


@lru_cache(maxsize=64)
def may_map(folder: Path) -> bool:
    """Whether files in ``folder`` may be written through mapped memory. Where that cannot be known, they may not."""
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
        return _kind(folder.resolve(), lines) in _KEEPS_ROOM
    except OSError:  # not Linux
        return False


def _kind(folder: Path, lines: list[str]) -> str:
    """The type of the file system, for overlayfs that of the layer which is written to.

    Fields as in proc_pid_mountinfo(5): 5 the mount point, after the dash the type, the source and the options.
    """
    longest, kind, options = -1, "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].replace("\\040", " ")
        if len(point) >= longest and (folder == Path(point) or Path(point) in folder.parents):
            longest = len(point)
            kind, _, options = after.partition(" ")
    if kind == "overlay":
        upper = next((part[9:] for part in options.split(" ")[-1].split(",") if part.startswith("upperdir=")), "")
        return _kind(Path(upper), lines) if upper and Path(upper).is_dir() else kind
    return kind
