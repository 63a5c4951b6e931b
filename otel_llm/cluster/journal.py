"""A process's journal: records in mapped memory, which survive the death of the process at any instant.

A journal is a row of files ``journal.<owner>.<n>``. Each opens with the length that is committed; frames follow, each a
length, a checksum and a payload. The length is written after the frame, in one store of eight bytes: what ``append`` returned
from is committed, and what it had not finished is not there. Where the file system does not keep the room that was reserved,
files are written by system calls instead. They are always read by system calls: a file that somebody truncates ends no process.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from sys import byteorder
from zlib import adler32

from otel_llm.core.files import NO_FOLLOW
from otel_llm.core.shapes import NamedTuple
from otel_llm.core.unpatched import RLock

from .filesystem import may_map
from .segment_file import SegmentFile

FRAMES = 2
"""Changes with the form of a frame."""
FIRST_SEGMENT = 256 * 1024
SEGMENT = 1024 * 1024
SPILL = 50_000
"""Records that wait in memory while the disk is full; past it the oldest is dropped, and counted."""
MOST_FILES = 256
"""Of one process, about a million calls, that no leader has read: one that was stopped for a day, say, fills no disk."""

_START = 16  # committed length, and eight bytes to spare
_FRAME = struct.Struct("<II")  # adler32 has no tables, which each call would bring back into the processor's cache
_pack, _unpack = _FRAME.pack, _FRAME.unpack_from
_WHOLE = 1 << 62  # up to the end of a segment that another one follows
_STEP = 128 * 1024  # so much mapped memory is made ready ahead of what is written
_MADV_POPULATE_WRITE = 23  # of Linux 5.14; Python has no name for it
_READ = 64 * 1024  # bytes that are read at once
_PATIENCE = 8  # times that a damaged frame is looked at before its segment is given up


class Position(NamedTuple):
    """How far a journal was read: the file's number and the offset in it."""

    segment: int = 0
    offset: int = _START


def segment_path(folder: Path, owner: str, number: int, prefix: str = "journal") -> Path:
    return folder / f"{prefix}.{owner}.{number}"


class Waiting(deque[bytes]):
    """Records that wait in memory for room. ``dropped`` counts those that waited too long."""

    def __init__(self) -> None:
        super().__init__(maxlen=SPILL)
        self.dropped = 0

    def append(self, payload: bytes) -> None:
        if len(self) == SPILL:
            self.dropped += 1
        super().append(payload)


class Journal:
    """The writing end. One process writes, any of its threads; reading goes on meanwhile.

    Raises ``OSError`` where the first file cannot be made. Later, while there is no room for another, or ``most`` wait to be read,
    records wait in memory.
    """

    def __init__(
        self,
        folder: Path,
        owner: str,
        prefix: str = "journal",
        first: int = FIRST_SEGMENT,
        after: int = -1,
        most: int | None = None,
    ) -> None:
        self.owner = owner
        self.spilled = Waiting()
        self.lock = RLock()
        self._folder = folder
        self._prefix = prefix
        self._number = after
        self._most = most
        self._busy = False
        self._late: list[bytes] = []
        self._map: mmap.mmap | SegmentFile
        self._mapped = False
        self._open(first)

    def append(self, payload: bytes) -> None:
        """Keep ``payload``: committed on return, whatever happens to the process afterwards.

        A garbage collection or a signal may call this while the same thread is in it: such a record goes in right after.
        """
        with self.lock:
            if self._busy:
                self._late.append(payload)
                return
            self._busy = True
            try:
                self._write(payload)
                while self._late:
                    self._write(self._late.pop(0))
            finally:
                self._busy = False

    def unspill(self) -> None:
        """Try again to get room, and write what waits for it. Goes on in another file where somebody truncated this one."""
        with self.lock:
            if self._mapped and self._is_truncated():
                self.close()
            if not self._mapped and self._grow(max(map(len, self.spilled), default=0)):
                waiting = tuple(self.spilled)
                self.spilled.clear()
                for payload in waiting:
                    self._write(payload)

    def close(self) -> None:
        """Let go of the memory; what was written stays in the files."""
        if self._mapped:
            with suppress(OSError):
                self._map.close()
        self._mapped = False
        self._at = self._ready = self._end = 0

    def _write(self, payload: bytes) -> None:
        size = len(payload)
        at = self._at
        end = at + 8 + size
        if end > self._ready:
            if end > self._end:
                self._overflow(payload)
                return
            self._make_ready(end)
        try:
            self._map[at:end] = _pack(size, adler32(payload)) + payload
            self._map[0:8] = end.to_bytes(8, byteorder)
        except OSError:  # no room for a file that is not mapped
            self._overflow(payload)
            return
        self._at = end

    def _make_ready(self, end: int) -> None:
        """Have the system bring in the memory up to ``end`` and some more: page by page, at the first touch, it takes longer."""
        begin, self._ready = self._ready, min(self._end, -(-end // _STEP) * _STEP)
        if isinstance(self._map, mmap.mmap) and sys.platform == "linux":
            with suppress(OSError):
                self._map.madvise(_MADV_POPULATE_WRITE, begin, self._ready - begin)

    def _is_truncated(self) -> bool:
        try:
            return self._map.size() < (self._end if isinstance(self._map, mmap.mmap) else self._at)
        except OSError:  # the host has closed the descriptor: the memory is there still
            return False

    def _overflow(self, payload: bytes) -> None:
        if not self.spilled and self._grow(len(payload)):
            self._write(payload)
        else:
            self.close()  # what comes next must not overtake what waits
            self.spilled.append(payload)

    def _grow(self, size: int) -> bool:
        try:
            self._open(max(SEGMENT, size + 8 + _START))
        except OSError:
            return False
        return True

    def _path(self, number: int) -> Path:
        return segment_path(self._folder, self.owner, number, self._prefix)

    def _open(self, size: int) -> None:
        """The next file, its blocks reserved: writing to mapped memory without a block behind it kills the process."""
        path = self._path(self._number + 1)
        if self._most is not None and self._path(self._number + 1 - self._most).exists():
            raise OSError(errno.EDQUOT, "nobody has read the journal for long")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | os.O_CLOEXEC, 0o600)
        try:
            written: mmap.mmap | SegmentFile
            if may_map(self._folder):
                _reserve(file, size)
                written = mmap.mmap(file, size)
            else:
                written = SegmentFile(os.dup(file))
            written[0:8] = _START.to_bytes(8, byteorder)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(file)
        self.close()
        self._number += 1
        self._map, self._mapped = written, True
        self._at = _START
        self._ready, self._end = 0, size


class Memory:
    """A journal for this process alone, where there is no directory to share."""

    def __init__(self, owner: str, *, keep: bool = False) -> None:
        self.owner = owner
        self.lock = RLock()
        self.spilled = Waiting()
        self.kept: list[bytes] | None = [] if keep else None
        """Every record so far, to be written to a journal once there is a directory; None where they became too many."""
        self.append: Callable[[bytes], object] = self._append if keep else self.spilled.append

    def close(self) -> None: ...

    def _append(self, payload: bytes) -> None:
        with self.lock:
            self.spilled.append(payload)
            if self.kept is not None:
                self.kept.append(payload)
                if len(self.kept) > SPILL:
                    self.kept = None


class Reader:
    """The reading end of one owner's journal, from ``position`` on."""

    def __init__(self, folder: Path, owner: str, position: Position, prefix: str = "journal") -> None:
        self.owner = owner
        self.position = position
        self._folder = folder
        self._prefix = prefix
        self._file = -1
        self._doubts = 0

    def read(self, take: Callable[[bytes, Position], object]) -> int:
        """Hand the payloads committed by now to ``take``, each with where it began; returns how many bytes that were.

        The position moves on before ``take`` is called, so a payload that it fails on is not handed out again.
        """
        total, goal = 0, self.goal()
        while frames := self.ahead(goal):
            for payload, at in frames:
                began = Position(self.position.segment, at)
                self.pass_by(payload, at)
                total += len(payload)
                take(payload, began)
        return total

    def goal(self, last: int | None = None) -> Position:
        """Up to where is committed by now; a writer may go on faster than we read. ``last`` is the number of its last file, where
        ``owners`` has looked."""
        first = self.position.segment
        if last is None or last < first:
            last = first
            while self._path(last + 1).exists():
                last += 1
        if last > first or self._opened() >= 0:
            with suppress(OSError):
                return Position(last, self._committed_of(last))
        return self.position

    def left(self, goal: Position) -> int:
        """Bytes of the files from here to ``goal``."""
        total = goal.offset - self.position.offset
        for number in range(self.position.segment, goal.segment):
            with suppress(OSError):
                total += self._path(number).stat().st_size
        return max(total, 0)

    def ahead(self, goal: Position) -> list[tuple[bytes, int]]:
        """The next payloads up to ``goal``, some 64 kB of them, each with where it begins in the segment at hand; none where there
        are no more, or where they cannot be read just now. ``pass_by`` moves on."""
        while True:
            frames = self._frames(goal.offset if self.position.segment >= goal.segment else _WHOLE)
            if frames or self.position.segment >= goal.segment or not self._finished():
                return frames
            self.close()
            self.position = Position(self.position.segment + 1)

    def pass_by(self, payload: bytes, at: int) -> None:
        """Do not read ``payload``, which begins ``at``, and what is before it any more."""
        self.position = Position(self.position.segment, at + 8 + len(payload))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def blocked(self) -> bool:
        """Whether there is something to read that cannot be opened just now, for want of a descriptor, say."""
        if self._file >= 0:
            return False
        try:
            return self._path(self.position.segment).stat().st_size > 0
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def discard(self, *, all_of_it: bool = False) -> None:
        """Remove the files that were read to their end; with ``all_of_it``, the present one too."""
        last = self.position.segment + (1 if all_of_it else 0)
        for number in range(last - 1, -1, -1):
            if not self._path(number).exists():
                break  # the ones before went earlier
            self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return segment_path(self._folder, self.owner, number, self._prefix)

    def _committed_of(self, segment: int) -> int:
        if segment == self.position.segment:
            return _committed(os.pread(self._opened(), _START, 0))
        with self._path(segment).open("rb") as file:
            return _committed(file.read(_START))

    def _frames(self, until: int) -> list[tuple[bytes, int]]:
        at = self.position.offset
        data, committed = self._contents(at, until, _READ)
        if len(data) >= _FRAME.size and (size := 8 + _FRAME.unpack_from(data)[0]) > len(data):
            data, committed = self._contents(at, until, size)  # one that is larger than what is read at once
        frames: list[tuple[bytes, int]] = []
        keep, begin, most = frames.append, 0, len(data) - 8
        while begin <= most:
            size, check = _unpack(data, begin)
            end = begin + 8 + size
            payload = data[begin + 8 : end]
            if adler32(payload) != check:
                if not frames and (end > committed or end <= len(data)):
                    self._doubts += 1  # another processor's writes may arrive late: it is looked at again
                return frames
            keep((payload, at + begin))
            begin = end
        if frames:
            self._doubts = 0
        return frames

    def _contents(self, at: int, until: int, most: int) -> tuple[bytes, int]:
        """``most`` bytes of what is committed from ``at`` on, up to ``until``, and how many there are; nothing where the file cannot be
        read just now, or was truncated."""
        file = self._opened()
        if file < 0:
            return b"", 0
        end = min(_committed(os.pread(file, _START, 0)), until)
        return (os.pread(file, min(end - at, most), at), end - at) if end > at else (b"", 0)

    def _finished(self) -> bool:
        file = self._opened()
        if file < 0:
            return not self.blocked
        end = min(_committed(os.pread(file, _START, 0)), os.fstat(file).st_size)
        return self.position.offset >= end or self._doubts > _PATIENCE

    def _opened(self) -> int:
        """The descriptor of the segment at hand, kept open: its contents outlive its name. Negative where there is none."""
        if self._file < 0:
            with suppress(OSError):
                self._file = os.open(self._path(self.position.segment), os.O_RDONLY | NO_FOLLOW | os.O_CLOEXEC)
        return self._file


def _committed(data: bytes) -> int:
    return int.from_bytes(data[:8], byteorder) if len(data) >= _START else 0


def _reserve(file: int, size: int) -> None:
    """Blocks for ``size`` bytes, and zeros in them: the first touch of a block that was never written costs a call some 30 us."""
    with suppress(AttributeError):  # macOS does not have it
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:  # neither do some file systems, where the C library does not make up for it
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    if os.pwrite(file, bytes(size), 0) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
