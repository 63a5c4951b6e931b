"""The journal: what was appended is read once, in order, whatever broke off in between."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.cluster import filesystem
from otel_llm.cluster import journal as journals
from otel_llm.cluster import listing as listings
from otel_llm.cluster.journal import Journal, Position, Reader, segment_path
from otel_llm.cluster.listing import Listing

OWNER = "1-a"


def read(reader: Reader) -> list[bytes]:
    found: list[bytes] = []
    reader.read(lambda payload, _: found.append(payload))
    return found


def reader(folder: Path, position: Position = Position()) -> Reader:  # noqa: B008 - immutable
    return Reader(folder, OWNER, position)


def test_records_are_read_once_and_in_order(tmp_path: Path) -> None:
    journal, reading = Journal(tmp_path, OWNER), reader(tmp_path)
    journal.append(b"one")
    journal.append(b"")
    assert read(reading) == [b"one", b""]
    journal.append(b"three")
    assert read(reading) == [b"three"]
    assert read(reading) == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.binary(max_size=3000), max_size=60), st.data())
def test_any_records_cross_any_segments(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "SEGMENT", 4096)
        journal, reading, found = Journal(folder, OWNER, first=4096), reader(folder), []
        for payload in payloads:
            journal.append(payload)
            if data.draw(st.booleans()):
                found += read(reading)
                if data.draw(st.booleans()):  # another leader goes on from there
                    reading.discard()
                    reading = reader(folder, reading.position)
        assert found + read(reading) == payloads
        reading.discard()
        assert len(list(folder.iterdir())) == 1
        journal.close()
        reading.discard(all_of_it=True)
        assert list(folder.iterdir()) == []


def test_a_record_larger_than_a_segment_has_one_of_its_own(tmp_path: Path) -> None:
    journal, large = Journal(tmp_path, OWNER), os.urandom(3 * journals.SEGMENT)
    for payload in (b"before", large, b"after"):
        journal.append(payload)
    assert read(reader(tmp_path)) == [b"before", large, b"after"]


def test_a_frame_that_was_not_committed_is_not_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path, OWNER)
    journal.append(b"whole")
    journal._map[journal._at : journal._at + 8] = b"\x05\0\0\0crc "  # killed before the length was written
    assert read(reader(tmp_path)) == [b"whole"]


def test_a_damaged_frame_is_waited_for_and_then_given_up_with_its_segment(tmp_path: Path) -> None:
    journal, reading = Journal(tmp_path, OWNER, first=4096), reader(tmp_path)
    journal.append(b"first")
    journal.append(b"second")
    at = journals._START + 8 + len(b"first") + 8
    journal._map[at : at + 1] = b"S"
    assert read(reading) == [b"first"]
    journal._map[at : at + 1] = b"s"  # it had only been late
    assert read(reading) == [b"second"]
    journal.append(b"third")
    journal._map[journal._at - 1 : journal._at] = b"?"
    journal.append(bytes(8192))
    found = [read(reading) for _ in range(journals._PATIENCE + 2)]
    assert [bytes(8192)] in found
    assert found[0] == []


def test_threads_do_not_mix_their_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path, OWNER)
    payloads = [bytes([number]) * 50 for number in range(8)]

    def work(payload: bytes) -> None:
        for _ in range(2000):
            journal.append(payload)

    threads = [threading.Thread(target=work, args=(payload,)) for payload in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read(reader(tmp_path))
    assert sorted(found) == sorted(payloads * 2000)


class _Interrupts(bytes):
    """Appends another record at the moment that it is being written, as a finalizer does."""

    journal: Journal

    def __len__(self) -> int:
        self.journal.append(b"from within")
        return super().__len__()


def test_an_append_within_an_append_goes_in_after_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, OWNER)
    payload = _Interrupts(b"outer")
    payload.journal = journal
    journal.append(payload)
    assert read(reader(tmp_path)) == [b"outer", b"from within"]


def test_an_interrupted_append_leaves_no_trace(tmp_path: Path) -> None:
    class Stops(bytes):
        def __len__(self) -> int:
            raise KeyboardInterrupt

    journal = Journal(tmp_path, OWNER)
    with pytest.raises(KeyboardInterrupt):
        journal.append(Stops(b"lost"))
    journal.append(b"next")
    assert read(reader(tmp_path)) == [b"next"]


def test_a_full_disk_keeps_records_in_memory_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path, OWNER, first=4096)
    monkeypatch.setattr(journals, "_reserve", full)
    payloads = [bytes([number]) * 1000 for number in range(10)]
    for payload in payloads:
        journal.append(payload)
    assert list(journal.spilled) == payloads[4:]
    monkeypatch.undo()
    journal.unspill()
    assert not journal.spilled
    assert read(reader(tmp_path)) == payloads


def test_the_first_segment_must_find_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journals, "_reserve", full)
    with pytest.raises(OSError, match="No space"):
        Journal(tmp_path, OWNER)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_mapped_just_now_is_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    journal, reading = Journal(tmp_path, OWNER, first=4096), reader(tmp_path)
    journal.append(b"first")
    journal.append(bytes(8192))  # in a file of its own
    monkeypatch.setattr(journals.os, "open", exhausted)
    assert read(reading) == []
    assert reading.blocked
    monkeypatch.setattr(journals.os, "stat", exhausted)  # not even that can be known
    assert reading.blocked
    monkeypatch.undo()
    assert read(reading) == [b"first", bytes(8192)]
    assert not reading.blocked


def test_a_journal_that_is_removed_is_read_to_its_end(tmp_path: Path) -> None:
    journal, reading = Journal(tmp_path, OWNER), reader(tmp_path)
    journal.append(b"before")
    assert read(reading) == [b"before"]
    journal.append(b"after")
    segment_path(tmp_path, OWNER, 0).unlink()
    assert read(reading) == [b"after"]
    assert not reader(tmp_path).blocked


def test_a_link_in_the_place_of_a_segment_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    segment_path(tmp_path, OWNER, 0).symlink_to(target)
    with pytest.raises(FileExistsError):
        Journal(tmp_path, OWNER)
    assert target.read_bytes() == b"precious"
    assert read(reader(tmp_path)) == []


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /dev/shm rw - tmpfs tmpfs rw
31 22 0:40 / /data rw - btrfs /dev/vdb rw
32 22 0:41 / /data/fast\\040disk rw - xfs /dev/vdc rw
33 22 0:42 / /box rw - overlay overlay rw,lowerdir=/lower,upperdir=/,workdir=/work
34 22 0:43 / /pod rw - overlay overlay rw,lowerdir=/lower,upperdir=/not/here,workdir=/work
35 22 0:44 / /home rw - nfs4 server:/home rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/tmp/a", "ext4"), ("/dev/shm/a", "tmpfs"), ("/data", "btrfs"), ("/data/fast disk/a", "xfs"), ("/database", "ext4"),
        ("/box/tmp", "ext4"), ("/pod/tmp", "overlay"), ("/home/me", "nfs4"),
    ],
)  # fmt: skip
def test_the_file_system_of_a_directory_is_known(folder: str, kind: str) -> None:
    assert filesystem._kind(Path(folder), MOUNTS.splitlines()) == kind


def test_without_a_list_of_mounts_nothing_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "nothing")
    assert not filesystem.may_map(tmp_path / "here")


@pytest.fixture
def by_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that does not keep the room that was reserved."""
    monkeypatch.setattr(journals, "may_map", lambda _: False)


@pytest.mark.usefixtures("by_calls")
def test_a_journal_that_may_not_be_mapped_is_written_by_system_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, reading = Journal(tmp_path, OWNER, first=4096), reader(tmp_path)
    payloads = [bytes([number]) * 1000 for number in range(10)]
    for payload in payloads:
        journal.append(payload)
    assert read(reading) == payloads
    monkeypatch.setattr(journals.os, "pwrite", lambda *_: 3)  # the disk is full in the middle of a frame
    journal.append(b"waits")
    assert read(reading) == []
    assert list(journal.spilled) == [b"waits"]
    monkeypatch.undo()
    monkeypatch.setattr(journals, "may_map", lambda _: False)
    journal.unspill()
    assert read(reading) == [b"waits"]
    journal.close()


@pytest.mark.usefixtures("by_calls")
def test_a_descriptor_that_the_host_closed_and_has_again_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, OWNER)
    journal.append(b"first")
    ours = journal._map._file
    os.close(ours)
    theirs = os.open(tmp_path / "precious", os.O_RDWR | os.O_CREAT)
    os.dup2(theirs, ours)
    journal.append(b"second")
    journal.append(b"third")
    assert (tmp_path / "precious").read_bytes() == b""
    os.fstat(ours)  # nor is it closed
    journal.unspill()
    assert read(reader(tmp_path)) == [b"first", b"second", b"third"]
    os.close(ours)
    os.close(theirs)
    journal.close()


TRUNCATED = """
import os, sys
from pathlib import Path
from otel_llm.cluster import filesystem
from otel_llm.cluster import journal as journals
from otel_llm.cluster import listing as listings
from otel_llm.cluster.journal import Journal, Position, Reader, segment_path
folder = Path(sys.argv[1])
journals.may_map = lambda _: sys.argv[2] == "mapped"
journal, found = Journal(folder, "1-a"), []
reading = Reader(folder, "1-a", Position())
for number in range(3):
    journal.append(b"before")
    if number < 2:
        reading.read(lambda payload, _: found.append(payload))
os.truncate(segment_path(folder, "1-a", 0), 0)
for _ in range(2):
    reading.read(lambda payload, _: found.append(payload))
    journal.unspill()  # as the clerk does in each round
    journal.append(b"after")
reading.read(lambda payload, _: found.append(payload))
print(len(found), found.count(b"after"))
"""


@pytest.mark.parametrize(("how", "shown"), [("mapped", "4 2"), ("by calls", "4 2")])
def test_a_truncated_journal_ends_no_process(tmp_path: Path, how: str, shown: str) -> None:
    command = [sys.executable, "-c", TRUNCATED, str(tmp_path), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == shown


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The directories that were read, one after the other."""
    asked: list[Path] = []
    owners = listings.owners

    def counting(folder: Path) -> dict[str, tuple[int, int]]:
        asked.append(folder)
        return owners(folder)

    monkeypatch.setattr(listings, "owners", counting)
    return asked


def _age(folder: Path, seconds: float) -> None:
    """Have ``folder`` say that it changed so long ago."""
    changed = time.time() - seconds
    os.utime(folder, (changed, changed))


def test_a_directory_without_new_files_is_not_read_again(tmp_path: Path, listed: list[Path]) -> None:
    first, second = "1-000000000001", "2-000000000002"
    segment_path(tmp_path, first, 0).touch()
    _age(tmp_path, 60.0)
    listing = Listing(tmp_path)
    assert [listing.owners() for _ in range(3)] == [{first: (0, 0)}] * 3
    assert listed == [tmp_path]
    segment_path(tmp_path, first, 1).touch()
    segment_path(tmp_path, second, 4).touch()
    assert listing.owners() == {first: (0, 1), second: (4, 4)}
    segment_path(tmp_path, first, 0).unlink()
    assert listing.owners() == {first: (1, 1), second: (4, 4)}


def test_a_directory_that_has_just_changed_is_read_each_time(tmp_path: Path, listed: list[Path]) -> None:
    listing = Listing(tmp_path)
    _age(tmp_path, 1.0)
    assert listing.owners() == {}
    state = tmp_path.stat()
    segment_path(tmp_path, "1-000000000001", 0).touch()
    os.utime(tmp_path, ns=(state.st_atime_ns, state.st_mtime_ns))  # two changes within one step of its clock
    assert listing.owners() == {"1-000000000001": (0, 0)}
    assert listed == [tmp_path] * 2


def test_a_directory_whose_times_may_be_old_is_read_each_time(
    tmp_path: Path, listed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "may_map", lambda _folder: False)
    _age(tmp_path, 60.0)
    listing = Listing(tmp_path)
    assert [listing.owners(), listing.owners()] == [{}, {}]
    assert listed == [tmp_path] * 2


def test_a_directory_that_is_gone_has_no_journals(tmp_path: Path) -> None:
    folder = tmp_path / "start"
    folder.mkdir()
    segment_path(folder, "1-000000000001", 0).touch()
    listing = Listing(folder)
    assert listing.owners() == {"1-000000000001": (0, 0)}
    shutil.rmtree(folder)
    assert listing.owners() == {}
