"""Who a player is: by a key, or by token and salt where an app password was made.

References
----------
https://opensubsonic.netlify.app/docs/extensions/apikeyauth/, https://www.subsonic.org/pages/api.jsp
"""

import logging

from earmark.errors import InputError, MissingExtraError
from earmark.service.players.failures import (
    GENERIC,
    MISSING,
    NO_PASSWORD,
    NO_SALT,
    TWO_LOGINS,
    WRONG_KEY,
    WRONG_LOGIN,
    Failure,
)
from earmark.service.players.parameters import Parameters
from earmark.service.players.passwords import Passwords
from earmark.service.tokens import Tokens

LOGGER = logging.getLogger("earmark.service")
_ADD_KEY = "whoever runs the service makes a key: earmark serve token add NAME"
_ADD_PASSWORD = "for a player that takes no API key: earmark serve password add NAME"
_MOST_SALT = 1000  # characters


def login(parameters: Parameters, tokens: Tokens, passwords: Passwords) -> str:
    """Return the name of whoever asks.

    Parameters
    ----------
    parameters : of the request
    tokens : of the service; they are the API keys
    passwords : of the service; while there are none, token and salt are refused

    Raises
    ------
    Failure
        44 for a key that is none, 40 for a wrong user or password, 43 for two ways at once, 41 where token and salt are
        not taken, 42 for a password in the clear, which never is; 10 if nothing is shown at all.
    """
    key = parameters.get("apiKey")
    given = {name for name in ("u", "p", "t", "s") if parameters.get(name)}
    if key:
        if given:
            raise Failure(
                TWO_LOGINS, "multiple conflicting authentication mechanisms provided", hint="send apiKey alone"
            )
        name = tokens.check(key)
        if name is None:
            raise Failure(WRONG_KEY, "invalid API key", hint=_ADD_KEY)
        return name
    if "p" in given:
        if given & {"t", "s"}:
            raise Failure(
                TWO_LOGINS, "multiple conflicting authentication mechanisms provided", hint="send apiKey alone"
            )
        raise Failure(NO_PASSWORD, "passwords in the clear are not taken here: send an API key", hint=_ADD_KEY)
    if given & {"t", "s"}:
        return _by_salt(parameters, passwords)
    hint = _ADD_KEY if not given else f"{_ADD_KEY}; {_ADD_PASSWORD}"
    raise Failure(MISSING, "required parameter is missing: apiKey", hint=hint)


def _by_salt(parameters: Parameters, passwords: Passwords) -> str:
    if not passwords.names():
        raise Failure(
            NO_SALT, "token and salt are not taken here: send an API key", hint=f"{_ADD_KEY}; {_ADD_PASSWORD}"
        )
    user, token, salt = (parameters.need(name) for name in ("u", "t", "s"))
    try:
        knows = len(salt) <= _MOST_SALT and passwords.check(user, token, salt)
    except (InputError, MissingExtraError) as error:  # its words name folders, and nobody has logged in yet
        LOGGER.error("%s (%s)", error.message, error.hint)
        raise Failure(GENERIC, "app passwords cannot be read", hint="the log of the service says why") from error
    if not knows:
        raise Failure(WRONG_LOGIN, "wrong username or password", hint=_ADD_PASSWORD)
    return user
