"""``NamedTuple`` and ``dataclass`` that cost a start little: their methods are written and compiled when the first instance is made.

``typing`` and ``dataclasses`` do that when a module is imported, for a third of a millisecond to two of each class, and a process
that starts makes instances of few of its classes. Otherwise these are the same (``tests/core/test_core_shapes.py`` holds both together).
"""

from __future__ import annotations

import dataclasses
from collections import _tuplegetter  # type: ignore[attr-defined]
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["NamedTuple", "dataclass", "made"]

T = TypeVar("T")


class _Tuple(tuple[Any, ...]):
    """What named tuples have in common."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _field_defaults: dict[str, Any] = {}  # noqa: RUF012 - each class has its own

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Stands where the compiled one will be, and compiles it."""
        owner: Any = next(each for each in cls.__mro__ if "_fields" in vars(each))
        if vars(owner)["__new__"] is _FIRST:
            names = "".join(f"{name}, " for name in owner._fields)
            constructor = eval(f"lambda _cls, {names}: _new(_cls, ({names}))", {"_new": tuple.__new__})  # noqa: S307 - as namedtuple does
            constructor.__name__, constructor.__qualname__ = "__new__", f"{owner.__qualname__}.__new__"
            constructor.__defaults__ = tuple(owner._field_defaults.values())
            owner.__new__ = staticmethod(constructor)
        return owner.__new__(cls, *args, **kwargs)

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Any:
        new = tuple.__new__(cls, values)
        if len(new) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(new)}")
        return new

    def _replace(self, /, **changes: Any) -> Any:
        new = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return new

    __replace__ = _replace

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({parts})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


_FIRST = vars(_Tuple)["__new__"]


@cache
def _alias(at: int) -> str:
    """The docstring of field number ``at``, once for all tuples."""
    return f"Alias for field number {at}"


class _Declared(type):
    """Makes a named tuple of a class statement."""

    def __new__(cls, name: str, _: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace[field] for field in fields if field in namespace}
        if defaults and fields[-len(defaults) :] != tuple(defaults):
            raise TypeError(f"a field of {name} without a default follows one that has a default")
        for at, field in enumerate(fields):
            namespace[field] = _tuplegetter(at, _alias(at))
        own = {
            "_fields": fields,
            "_field_defaults": defaults,
            "__match_args__": fields,
            "__slots__": (),
            "__new__": _FIRST,
        }
        return type(name, (_Tuple,), namespace | own)


_WRITTEN = (
    "__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__getstate__", "__setstate__", "__replace__",
    "__match_args__", "__dataclass_params__", "__dataclass_fields__",
)  # fmt: skip
"""What dataclasses writes, the fields last: once they are there, so is all else."""


class _Late:
    """An attribute of the class that is there when somebody asks."""

    def __init__(self, name: str, write: Callable[[type], None]) -> None:
        self._name, self._write = name, write

    def __get__(self, _: object, owner: type) -> Any:
        self._write(owner)
        return getattr(owner, self._name)


def _late_dataclass(given: type | None = None, /, **options: Any) -> Any:
    return _declare(given, options) if given is not None else lambda given: _declare(given, options)


def _declare(given: Any, options: dict[str, Any]) -> Any:
    """The class with what makes its methods in the place of its methods."""
    if options.get("frozen") and not options.get("slots"):
        raise TypeError("a frozen one has slots: what forbids to set others knows the class that it was written for")
    body = {name: value for name, value in vars(given).items() if name not in ("__dict__", "__weakref__")}
    names = tuple(given.__annotations__)
    cls = _with_slots(given, body, names) if options.get("slots") else _without_defaults(given, names)

    def write(_: type = cls, names: Iterable[str] = _WRITTEN, **fewer: bool) -> None:
        like = type(
            given.__name__, given.__bases__, {**body, "__doc__": given.__doc__ or "-"}
        )  # or it is given a signature
        full: Any = dataclasses.dataclass(**{**options, **fewer})(like)
        for name in names:
            if name in vars(full) and (name not in body or name == "__hash__"):
                setattr(cls, name, vars(full)[name])

    def write_init() -> None:
        """What an instance needs; the rest takes thrice as long, and few instances are compared or shown."""
        write(cls, ("__init__",), repr=False, eq=False, match_args=False)

    for name in _methods(**options):
        if name not in body:
            setattr(cls, name, _stub(cls, name, write_init if name == "__init__" else write))
    for name in _attributes(**options):
        setattr(cls, name, _Late(name, write))
    if options.get("eq", True) and not options.get("frozen") and "__hash__" not in body:
        cls.__hash__ = None
    return cls


def _stub(cls: Any, name: str, write: Callable[[], None]) -> Callable[..., Any]:
    """Stands where a method will be, and has all of them written."""

    def first(self: Any, *args: Any, **kwargs: Any) -> Any:
        write()
        return getattr(cls, name)(self, *args, **kwargs)

    return first


def _with_slots(given: Any, body: dict[str, Any], names: tuple[str, ...]) -> Any:
    inherited = {name for base in given.__mro__[1:] for name in vars(base).get("__slots__", ())}
    slots = tuple(name for name in names if name not in inherited)
    rest = {name: value for name, value in body.items() if name not in names}
    cls = type(given)(given.__name__, given.__bases__, {**rest, "__slots__": slots})
    cls.__qualname__ = given.__qualname__
    return cls


def _without_defaults(given: Any, names: tuple[str, ...]) -> Any:
    """As dataclasses leaves a class: a plain default is the class's own, any other is not there."""
    for name in names:
        if isinstance(spec := vars(given).get(name), dataclasses.Field):
            if spec.default is dataclasses.MISSING:
                delattr(given, name)
            else:
                setattr(given, name, spec.default)
    return given


def made(cls: type[T], fields: Mapping[str, Any]) -> T:
    """As ``cls(**fields)``, with all of its ``fields`` and without the method that would be written for that."""
    instance = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
    return instance


def _methods(*, repr: bool = True, eq: bool = True, frozen: bool = False, **_: bool) -> Iterable[str]:
    yield "__init__"
    if repr:
        yield "__repr__"
    if eq:
        yield "__eq__"
    if frozen:
        yield from ("__setattr__", "__delattr__", "__getstate__", "__setstate__")
    if frozen and eq:
        yield "__hash__"


def _attributes(*, match_args: bool = True, **_: bool) -> Iterable[str]:
    yield from ("__dataclass_params__", "__dataclass_fields__")
    if match_args:
        yield "__match_args__"


if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import NamedTuple
else:
    dataclass = _late_dataclass
    NamedTuple = type.__new__(_Declared, "NamedTuple", (), {})
