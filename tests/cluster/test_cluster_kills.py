"""A thousand processes are killed at random instants: no call that had returned is lost, none is counted twice."""

from __future__ import annotations

import fcntl
import os
import random
import signal
from collections.abc import Callable

import pytest
from cluster_lab import Worker, call, counted, until

KILLS = 1000
AT_ONCE = 4
_SAID = b"returned".ljust(128)


def _begin(one: Worker) -> tuple[int, int]:
    """A child that makes calls until it is killed, and says so after each; some dozens ahead of who listens."""
    heard, said = os.pipe()
    fcntl.fcntl(said, fcntl.F_SETPIPE_SZ, 4096)
    if (child := os.fork()) == 0:
        try:
            while True:
                one.append(call())
                os.write(said, _SAID)
        finally:
            os._exit(1)
    os.close(said)
    return child, heard


def _kill(child: int, heard: int) -> int:
    """How many calls had returned when ``child`` died; it is killed somewhere after the first of them."""
    heard_of = len(os.read(heard, random.randint(1, 40) * len(_SAID)))
    os.kill(child, signal.SIGKILL)
    while rest := os.read(heard, 1 << 16):
        heard_of += len(rest)
    os.close(heard)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    return heard_of // len(_SAID)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it has threads, from Python 3.12 on
def test_no_returned_call_is_lost_in_a_thousand_kills(worker: Callable[..., Worker]) -> None:
    one = worker()
    returned = killed = 0
    while killed < KILLS:
        children = [_begin(one) for _ in range(AT_ONCE)]
        returned += sum(_kill(*child) for child in children)
        killed += len(children)
    shown = counted(one.text(openmetrics=False).decode())
    assert returned <= shown <= returned + killed  # one call of each may have returned and not been said
    until(lambda: one.describe()["exited"] == KILLS)
