"""Names for things that can be built: `register` a factory, `build` by name."""

import numbers
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

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


def check_options(
    what: str, factory: Callable[..., object], options: Mapping[str, object], *, given: Collection[str] = ()
) -> None:
    """Raise `UsageError` if `options` holds a name that is no parameter of `factory`, or one of those `given` already.

    Parameters
    ----------
    what : has the options, for the message
    factory : takes them
    options : names of parameters to values
    given : parameters that are no options
    """
    import inspect
    from difflib import get_close_matches

    collecting = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(factory).parameters.items()
    known = [name for name, one in parameters if name not in ("self", *given) and one.kind not in collecting]
    for option in options:
        if option not in known:
            close = get_close_matches(option, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(known) or 'none'}"
            raise UsageError(f"{what} takes no option {option!r}", hint=hint)


_KINDS: Mapping[object, tuple[str, tuple[type, ...]]] = {
    int: ("a whole number", (numbers.Integral,)),
    float: ("a number", (numbers.Real,)),
    bool: ("true or false", (bool,)),
    str: ("text", (str, os.PathLike)),
    NoneType: ("none", (NoneType,)),
}


class Parameter(NamedTuple):
    """A parameter of a factory.

    Parameters
    ----------
    name : under which it is given
    default : what is taken unless it is
    takes : what it may be, in words; empty if that is more than `check_values` looks at
    """

    name: str
    default: Any
    takes: str


def parameters_of(factory: Callable[..., object]) -> list[Parameter]:
    """List the parameters of a factory that have defaults.

    Examples
    --------
    >>> def line(*, length: int = 3, colour: Literal["red", "blue"] | None = None) -> str:
    ...     return "-" * length
    >>> [tuple(parameter) for parameter in parameters_of(line)]
    [('length', 3, 'a whole number'), ('colour', None, 'red, blue or none')]
    """
    import inspect

    annotations = _annotations(factory)
    return [
        Parameter(name, parameter.default, _in_words(_parts(annotations.get(name, Any))))
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.default is not parameter.empty
    ]


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
    annotations = _annotations(factory)
    for name, value in options.items():
        parts = _parts(annotations.get(name, Any))
        if not any(_fits(part, value) for part in parts):
            raise UsageError(f"{what}: {name}={value!r}, expected {_in_words(parts)}")


def _annotations(factory: Callable[..., object]) -> Mapping[str, object]:
    try:
        return get_type_hints(vars(factory).get("__init__", factory) if isinstance(factory, type) else factory)
    except (NameError, TypeError):  # of names that are known elsewhere only, of what is no function
        return {}


def _parts(annotation: object) -> list[object]:
    """Return the members of a union, or else the annotation alone."""
    return list(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else [annotation]


def _in_words(parts: list[object]) -> str:
    """Say what the members of a union mean; nothing if one of them is not plain."""
    words: list[str] = []
    for part in parts:
        words += map(str, get_args(part)) if get_origin(part) is Literal else [_KINDS.get(part, ("", ()))[0]]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) if all(words) else ""


def _fits(annotation: object, value: object) -> bool:
    """Say whether a value is of an annotation, as far as that is plain."""
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    if annotation not in _KINDS:
        return True
    return isinstance(value, _KINDS[annotation][1]) and (annotation is bool or not isinstance(value, bool))
