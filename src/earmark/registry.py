"""Names for things that can be built: `register` a factory, `build` by name."""

import numbers
import os
from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from earmark.errors import UnknownNameError, UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from name to factory.

    Parameters
    ----------
    kind : what the names stand for, used in messages, such as "architecture"

    Examples
    --------
    >>> shapes = Registry[str]("shape")
    >>> @shapes.register("line")
    ... def line(*, length: int = 3) -> str:
    ...     return "-" * length
    >>> shapes.build("line", length=5)
    '-----'
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Register the decorated factory under `name`; a second factory of one name is an error."""

        def add(factory: Callable[..., T]) -> Callable[..., T]:
            if name in self._factories:
                raise UsageError(f"{self.kind} {name!r} is registered already")
            self._factories[name] = factory
            return factory

        return add

    def __getitem__(self, name: str) -> Callable[..., T]:
        if name not in self._factories:
            raise UnknownNameError(self.kind, name, self._factories)
        return self._factories[name]

    def __contains__(self, name: object) -> bool:
        return name in self._factories

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._factories))

    def __len__(self) -> int:
        return len(self._factories)

    def build(self, name: str, /, **options: object) -> T:
        """Call the factory of `name` with `options`; an option that it does not take is an error with its name."""
        factory = self[name]
        check_options(f"{self.kind} {name!r}", factory, options)
        return factory(**options)


def check_options(what: str, factory: Callable[..., object], options: Mapping[str, object]) -> None:
    """Raise `UsageError` if `options` holds a name that is no parameter of `factory`; `root` is no option."""
    import inspect
    from difflib import get_close_matches

    known = [name for name in inspect.signature(factory).parameters if name not in ("self", "root")]
    for option in options:
        if option not in known:
            close = get_close_matches(option, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(known) or 'none'}"
            raise UsageError(f"{what} takes no option {option!r}", hint=hint)


_KINDS: Mapping[object, tuple[str, tuple[type, ...]]] = {
    int: ("a whole number", (numbers.Integral,)),
    float: ("a number", (numbers.Real,)),
    str: ("text", (str, os.PathLike)),
    NoneType: ("none", (NoneType,)),
}


def check_values(what: str, factory: Callable[..., object], options: Mapping[str, object]) -> None:
    """Raise `UsageError` if an option is not what its parameter is annotated with, as far as that is plain.

    Parameters
    ----------
    what : has the options, for the message
    factory : takes them; only numbers, text, true or false, none, choices and unions of these are looked at
    options : names of parameters to values

    Examples
    --------
    >>> def line(*, length: int = 3, colour: Literal["red", "blue"] | None = None) -> str:
    ...     return "-" * length
    >>> check_values("line", line, {"length": 5, "colour": "red"})
    >>> check_values("line", line, {"length": "abc"})
    Traceback (most recent call last):
    earmark.errors.UsageError: line: length='abc', expected a whole number
    """
    try:
        annotations = get_type_hints(factory)
    except (NameError, TypeError):  # of names that are known elsewhere only, of what is no function
        return
    for name, value in options.items():
        kinds = [_kind(part, value) for part in _parts(annotations.get(name, Any))]
        if not any(fits for _, fits in kinds):
            raise UsageError(f"{what}: {name}={value!r}, expected {' or '.join(words for words, _ in kinds)}")


def _parts(annotation: object) -> list[object]:
    """Return the members of a union, or else the annotation alone."""
    return list(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else [annotation]


def _kind(annotation: object, value: object) -> tuple[str, bool]:
    """Say what an annotation means, and whether a value is of it."""
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, get_args(annotation)))}", value in get_args(annotation)
    if annotation is bool:
        return "true or false", isinstance(value, bool)
    if annotation in _KINDS:
        words, types = _KINDS[annotation]
        return words, isinstance(value, types) and not isinstance(value, bool)
    return "", True
