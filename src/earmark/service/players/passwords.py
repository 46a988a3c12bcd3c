"""App passwords, for players that cannot send a key: made at random, kept encrypted, one for each name.

Token and salt, the older login of Subsonic, proves the knowledge of a password by md5(password + salt), so that the
server has to know the password itself. It is off until a password is made, and it is never one that a person chose.
"""

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import InputError, MissingExtraError, UnknownNameError, UsageError
from earmark.files import replacing
from earmark.service.kept import Kept

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

FILE, KEY_FILE = "app_passwords.json", "app_passwords.key"
_BYTES = 18
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")


class Passwords:
    """The app passwords of a service.

    Parameters
    ----------
    folder : for data of the service

    Notes
    -----
    They are kept encrypted (Fernet: AES-CBC with HMAC-SHA256) under a key that lies beside them in a file which only
    its owner may read. A copy of one file alone gives nothing away; whoever reads both has the passwords.

    References
    ----------
    https://www.subsonic.org/pages/api.jsp, "Authentication"; https://github.com/fernet/spec

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     passwords = Passwords(Path(folder))
    ...     password = passwords.add("anna")
    ...     token = hashlib.md5((password + "salt").encode()).hexdigest()
    ...     passwords.check("anna", token, "salt"), passwords.check("anna", token, "other"), passwords.names()
    (True, False, ['anna'])
    """

    def __init__(self, folder: Path) -> None:
        self._key_path = folder / KEY_FILE
        self._kept: Kept[dict[str, str]] = Kept(folder / FILE, _parse, {})

    def names(self) -> list[str]:
        """Return who has a password."""
        return sorted(self._kept.read())

    def add(self, name: str) -> str:
        """Make a password, and return it.

        Parameters
        ----------
        name : that the player sends as its user

        Raises
        ------
        UsageError
            If the name cannot be one, or has a password already.
        MissingExtraError
            If the package cryptography is not installed.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be a name", hint="letters, digits and . _ @ - between them")
        password = secrets.token_urlsafe(_BYTES)
        with self._kept.changing() as known:
            if name in known:
                raise UsageError(f"{name} has a password already", hint=f"earmark serve password remove {name}")
            box = self._box(create=not known)
            self._kept.write({"passwords": {**known, name: box.encrypt(password.encode()).decode("ascii")}})
        return password

    def remove(self, name: str) -> None:
        """Let a password be none.

        Raises
        ------
        UnknownNameError
            If there is none of that name.
        UsageError
            If there is none at all.
        """
        with self._kept.changing() as known:
            if not known:
                raise UsageError(f"{name} has no password, nor has anybody", hint="earmark serve password add NAME")
            if name not in known:
                raise UnknownNameError("password for", name, known)
            self._kept.write({"passwords": {one: kept for one, kept in known.items() if one != name}})

    def check(self, name: str, token: str, salt: str) -> bool:
        """Tell whether a player knows the password of a name.

        Parameters
        ----------
        name : of the user
        token : md5 of the password and the salt, hexadecimal
        salt : made up by the player

        Raises
        ------
        InputError
            If the key that they are kept under is gone, or another one.
        """
        known = self._kept.read()
        kept = known.get(name)
        password = self._decrypted(kept) if kept is not None else secrets.token_bytes(_BYTES)
        salted = password + salt.encode("utf-8", "replace")
        made = hashlib.md5(salted, usedforsecurity=False).hexdigest()  # what the protocol demands
        return hmac.compare_digest(made.encode(), token.lower().encode("utf-8", "replace")) and kept is not None

    def _decrypted(self, kept: str) -> bytes:
        box = self._box(create=False)
        from cryptography.fernet import InvalidToken

        try:
            return box.decrypt(kept)
        except InvalidToken as error:
            raise InputError(
                f"{self._key_path}: is not the key of the app passwords",
                hint="put it back, or make the passwords anew: earmark serve password",
            ) from error

    def _box(self, *, create: bool) -> "Fernet":
        try:
            from cryptography.fernet import Fernet
        except ImportError as error:
            raise MissingExtraError("keeping app passwords (package cryptography)", "serve") from error
        if create and not self._key_path.exists():
            with replacing(self._key_path, private=True) as file:  # the passwords are locked by who creates
                file.write(Fernet.generate_key())
        try:
            return Fernet(self._key_path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self._key_path}: the key of the app passwords cannot be read",
                hint="put it back, or make the passwords anew: earmark serve password",
            ) from error


def _parse(plain: Any) -> dict[str, str]:
    return {str(name): str(kept) for name, kept in dict(plain["passwords"]).items()}
