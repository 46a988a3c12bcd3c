"""The exceptions of earmark. Every error has a message and, where there is one, a hint: the next action.

EarmarkError
├── InputError          a value or an audio file that cannot be used
├── UsageError          options that do not go together
├── UnknownNameError    a name that no registry holds
├── AssetError          a download or a stored file that is missing or damaged
├── SourceError         a service on the network that does not answer, or refuses
└── MissingExtraError   an optional dependency that is not installed

EarmarkWarning
└── AudioWarning        audio that was used, though not as it stands (truncated, padded)
"""

from collections.abc import Iterable
from difflib import get_close_matches


class EarmarkError(Exception):
    """Base of every error that earmark raises on purpose.

    Parameters
    ----------
    message : what was wrong, and what was expected
    hint : the next action, or None
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Let an error cross from one process to another, whatever its class takes."""
        return _restored, (type(self), self.args, self.__dict__.copy())


def _restored(kind: type[EarmarkError], args: tuple[object, ...], state: dict[str, object]) -> EarmarkError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(EarmarkError, ValueError):
    """A value or an audio file cannot be used."""


class UsageError(EarmarkError, ValueError):
    """Options do not go together, or one has a value that it does not take."""


class UnknownNameError(EarmarkError, LookupError):
    """No registry holds this name.

    Parameters
    ----------
    kind : what was looked up, such as "model"
    name : the name that was not found
    known : the names that exist
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(repr(c) for c in close)}?" if close else f"known: {', '.join(names)}"
        super().__init__(f"there is no {kind} {name!r}", hint=hint)


class AssetError(EarmarkError, OSError):
    """A file that has to be fetched, or was fetched before, is missing or damaged."""


class SourceError(EarmarkError, OSError):
    """A service on the network does not answer, refuses, or answers what cannot be understood."""


class MissingExtraError(EarmarkError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    what : what needs it, such as "reading m4a files"
    extra : the name of the extra, such as "formats"
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra [{extra}]", hint=f"pip install 'earmark[{extra}]'")
        self.extra = extra


class EarmarkWarning(UserWarning):
    """Base of every warning that earmark gives."""


class AudioWarning(EarmarkWarning):
    """Audio was used, though not as it stands: truncated, padded, partly unreadable."""
