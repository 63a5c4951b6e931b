"""Programs in surroundings of their own, as containers have them: a root that is read-only, another user, own namespaces."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

_READ_ONLY = """
mount --make-rprivate /
for kept in $WRITABLE; do mount --bind "$kept" "$kept"; done
while read -r _ point kind _; do
  case " $WRITABLE " in *" $point "*) continue;; esac
  case "$kind" in proc|sysfs|cgroup*|devpts) continue;; esac
  mount -o remount,bind,ro "$point" 2>/dev/null || true
done < <(cat /proc/mounts)
if touch /read-only 2>/dev/null; then echo "the root is not read-only" >&2; exit 9; fi
exec "$@"
"""
USER = ("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")


def _may_unshare() -> bool:
    if sys.platform != "linux":
        return False
    tried = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def needed() -> None:
    """Skip where this user may have no namespaces; root has to."""
    if not _may_unshare():
        if getattr(os, "geteuid", int)() == 0 and sys.platform == "linux":
            pytest.fail("root may unshare no namespaces here: these tests need them")
        pytest.skip("this user may not unshare namespaces")


def start(
    *command: str | Path,
    namespaces: tuple[str, ...] = ("--mount",),
    read_only: bool = False,
    writable: tuple[Path, ...] = (),
    user: bool = False,
    without_proc: bool = False,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[str]:
    """Run ``command`` in new ``namespaces``; where ``read_only``, nothing but ``writable`` can be written to.

    ``without_proc`` hides /proc, which systems other than Linux have not. The program ends with us.
    """
    words = [*USER, *map(str, command)] if user else [*map(str, command)]
    if without_proc:
        words = [
            "bash",
            "-c",
            'mount --make-rprivate / && mount -t tmpfs tmpfs /proc && exec "$@"',
            "without-proc",
            *words,
        ]
    if read_only:
        words = ["bash", "-c", _READ_ONLY, "read-only", *words]
    return subprocess.Popen(
        ["unshare", *namespaces, "--fork", "--kill-child", *words],
        env={"PATH": os.environ["PATH"], "WRITABLE": " ".join(map(str, writable)), **(environment or {})},
        cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
