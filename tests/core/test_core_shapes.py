"""Our named tuples and dataclasses behave as typing's and dataclasses' own, and write no method before it is needed."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import threading
import typing
from dataclasses import field
from typing import Any

import pytest

from otel_llm.core import shapes

TUPLES = """
class Made(NamedTuple):
    '''What it is.'''

    number: int
    text: str = "a"
    many: tuple[str, ...] = ()

    @property
    def twice(self):
        return self.number * 2
"""
BODY = """
    number: int
    text: str = "a"
    many: list = field(default_factory=list, repr=False)
    kept: int = field(default=7, compare=False, metadata={"unit": "s"})

    def twice(self):
        return self.number * 2
"""
OPTIONS = ("", "slots=True", "frozen=True, slots=True", "frozen=True, slots=True, kw_only=True", "eq=False",
           "slots=True, eq=False, repr=False, match_args=False")  # fmt: skip


def made(source: str, **names: Any) -> Any:
    """The class ``Made`` of ``source``, importable, as pickle wants it."""
    space = {"__name__": __name__, "field": field, **names}
    exec(compile(f"from __future__ import annotations\n{source}", "<made>", "exec"), space)
    return space["Made"]


def of_options(options: str, dataclass: Any, body: str = BODY) -> Any:
    return made(f"@dataclass({options})\nclass Made:{body}", dataclass=dataclass)


def outcome(work: Any) -> Any:
    """What ``work`` gives, or what it raises."""
    try:
        return work()
    except Exception as error:
        return type(error)


def pickled(cls: Any, instance: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys.modules[__name__], "Made", cls, raising=False)
    return pickle.loads(pickle.dumps(instance))


def test_two_threads_can_make_the_first_instance_at_once() -> None:
    """The later one has taken the method that compiles before the earlier one has put the compiled one into its place."""
    cls = made(TUPLES, NamedTuple=shapes.NamedTuple)
    first = cls.__new__
    assert cls(1) == (1, "a", ())
    compiled = cls.__new__
    assert first(cls, 2, many=("b",)) == (2, "a", ("b",))
    assert (type(first(cls, 2)), cls.__new__) == (cls, compiled)


def test_a_named_tuple_is_typings_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = made(TUPLES, NamedTuple=shapes.NamedTuple), made(TUPLES, NamedTuple=typing.NamedTuple)
    for cls in (ours, theirs):
        one = cls(1, many=("b",))
        assert pickled(cls, one, monkeypatch) == one
        assert isinstance(copy.copy(one), cls)
    for name in ("_fields", "_field_defaults", "__match_args__", "__doc__", "__module__", "__qualname__", "__slots__"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
    one, other = ours(1, many=("b",)), theirs(1, many=("b",))
    assert (one, repr(one), hash(one), one._asdict()) == (other, repr(other), hash(other), other._asdict())
    assert (one.twice, one.number, one.text, one.many) == (2, 1, "a", ("b",))
    assert one._replace(text="c") == (1, "c", ("b",))
    assert ours._make([1, 2, 3]) == (1, 2, 3)
    assert not hasattr(one, "__dict__")
    for wrong in (
        lambda c: c(),
        lambda c: c(1, 2, 3, 4),
        lambda c: c(1, other=2),
        lambda c: c._make([1]),
        lambda c: c(1)._replace(x=1),
    ):
        assert outcome(lambda w=wrong: w(ours)) is outcome(lambda w=wrong: w(theirs)) is not None  # type: ignore[misc]
    with pytest.raises(TypeError, match="without a default"):
        made("class Made(NamedTuple):\n    a: int = 1\n    b: int", NamedTuple=shapes.NamedTuple)


def test_a_class_below_a_named_tuple_is_made_first() -> None:
    ours = made(TUPLES, NamedTuple=shapes.NamedTuple)
    below = type("Below", (ours,), {})
    assert below(3).twice == 6
    assert type(below(3)) is below
    assert ours(3, "b") == (3, "b", ())


@pytest.mark.parametrize("options", OPTIONS)
def test_a_dataclass_is_dataclasses_own(options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = of_options(options, shapes.dataclass), of_options(options, dataclasses.dataclass)
    assert outcome(lambda: ours.__match_args__) == outcome(lambda: theirs.__match_args__)
    seen = []
    for cls in (ours, theirs):
        one, two = cls(number=1), cls(number=1)
        changed = dataclasses.replace(one, text="b")
        seen.append((
            [each.name for each in dataclasses.fields(cls)], dataclasses.fields(one)[3].metadata, dataclasses.asdict(one),
            one == two, one == changed, changed.text, one.twice(), one.many is not two.many, "Made(number=1" in repr(one),
            cls.__hash__ is None or (hash(one) == hash(two) if "frozen" not in options else type),
            outcome(lambda o=one: hash(o)) if "frozen" in options else None,
            outcome(lambda o=one: setattr(o, "number", 5)), outcome(lambda o=one: setattr(o, "strange", 5)),
            outcome(lambda o=one: delattr(o, "number")),
            hasattr(one, "__dict__"), hasattr(cls, "text") and cls.text == "a",
            outcome(lambda c=cls: c()), outcome(lambda c=cls: c(1, other=2)), outcome(lambda c=cls: c(1)) is TypeError,
            {name for name in vars(cls) if name in shapes._WRITTEN}, str(inspect.signature(cls)),
        ))  # fmt: skip
        fresh = cls(number=4)
        again = pickled(cls, fresh, monkeypatch)
        assert (again.number, again.kept) == (4, 7)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("use", [
    repr, lambda one: one == 1, copy.copy, lambda one: setattr(one, "number", 1), dataclasses.fields, hash,
])  # fmt: skip
def test_a_dataclass_whose_first_use_is_not_its_making(use: Any) -> None:
    classes = [of_options("frozen=True, slots=True", way) for way in (shapes.dataclass, dataclasses.dataclass)]
    found = [outcome(lambda cls=cls: use(object.__new__(cls))) for cls in classes]  # type: ignore[misc]
    assert type(found[0]).__name__ == type(found[1]).__name__
    assert found[0] is found[1] or not isinstance(found[0], type)


def test_a_frozen_one_without_slots_is_refused() -> None:
    with pytest.raises(TypeError, match="has slots"):
        of_options("frozen=True", shapes.dataclass)


def test_what_a_class_writes_itself_stays() -> None:
    body = "\n    number: int = 1\n    def __repr__(self):\n        return 'mine'\n    def __post_init__(self):\n        self.done = 1\n"
    one = of_options("", shapes.dataclass, body)()
    assert (repr(one), one.done) == ("mine", 1)


def test_a_dataclass_below_a_dataclass_has_its_fields() -> None:
    source = (
        "@dataclass(slots=True)\nclass Base:\n    a: int\n@dataclass(slots=True)\nclass Made(Base):\n    b: int = 2\n"
    )
    cls = made(source, dataclass=shapes.dataclass)
    assert cls(1) == cls(1, 2)
    assert cls.__slots__ == ("b",)


def test_threads_that_make_the_first_at_once_each_get_theirs() -> None:
    for cls in (of_options("slots=True", shapes.dataclass), made(TUPLES, NamedTuple=shapes.NamedTuple)):
        together, got = threading.Barrier(8), []

        def make(number: int, cls: Any = cls, together: Any = together, got: Any = got) -> None:
            together.wait()
            got.append(cls(number).number)

        threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(got) == [*range(8)]


STARTED = """
import dataclasses, typing
written = []
process, tuples = dataclasses._process_class, typing._make_nmtuple
dataclasses._process_class = lambda cls, *rest: (written.append(cls.__qualname__), process(cls, *rest))[1]
typing._make_nmtuple = lambda name, *rest, **more: (written.append(name), tuples(name, *rest, **more))[1]
import otel_llm
otel_llm.instrument()
print(*sorted(set(written)))
"""


def test_a_start_writes_the_methods_of_few_classes() -> None:
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) <= 14, done.stdout
