"""Errors as the Subsonic API knows them: a number, a message.

References
----------
https://opensubsonic.netlify.app/docs/responses/error/ (the numbers),
https://opensubsonic.netlify.app/docs/extensions/apikeyauth/ (41 to 44)
"""

from earmark.errors import EarmarkError, UnknownNameError
from earmark.service.errors import NotFound

GENERIC, MISSING, WRONG_LOGIN, NO_SALT, NO_PASSWORD, TWO_LOGINS, WRONG_KEY = 0, 10, 40, 41, 42, 43, 44
NOT_ALLOWED, NOT_FOUND = 50, 70
_LONGEST = 1000  # characters of a message, which may quote what was sent


class Failure(EarmarkError):
    """A request of a player cannot be answered.

    Parameters
    ----------
    code : number of the Subsonic API
    message, hint : see `EarmarkError`
    status : of the answer; 200 as Subsonic has it, even where something failed
    """

    def __init__(self, code: int, message: str, *, hint: str | None = None, status: int = 200) -> None:
        super().__init__(message, hint=hint)
        self.code, self.status = code, status


def failure_of(error: EarmarkError) -> Failure:
    """Return an error as the Subsonic API knows it.

    Examples
    --------
    >>> failure_of(NotFound("there is no track 'x'")).code
    70
    """
    if isinstance(error, Failure):
        return error
    code = NOT_FOUND if isinstance(error, NotFound | UnknownNameError) else GENERIC
    return Failure(code, error.message, hint=error.hint)


def worded(failure: Failure) -> str:
    """Return the message of a failure with what to do next, as players show one line."""
    text = f"{failure.message} ({failure.hint})" if failure.hint else failure.message
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
