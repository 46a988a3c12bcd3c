"""LanceDB, on which the catalogue stands: imported when it is needed, on a CPU that can run it, its errors in words."""

import errno
import importlib.util
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from earmark.errors import EarmarkError, InputError, MissingExtraError, UsageError

_X86 = frozenset({"x86_64", "amd64", "x64", "i386", "i686", "x86"})


def load_lancedb() -> Any:
    """Import LanceDB.

    Raises
    ------
    UsageError
        If the CPU lacks AVX2, which LanceDB's binaries need on x86: they would end the process without a word.
    MissingExtraError
        If it is not installed.
    """
    if not has_needed_instructions():
        raise UsageError(
            "this CPU has no AVX2 instructions, which the catalogue's database needs",
            hint="earmark tag and earmark write work without it; the catalogue and the service need a CPU of 2013 or "
            "later, and a virtual machine has to be shown the CPU of its host",
        )
    os.environ.setdefault("LANCE_LOG", "error")  # it is no business of the user what its next version will change
    try:
        import lancedb
    except ImportError as error:
        raise MissingExtraError("the catalogue", "library") from error
    return lancedb


def has_needed_instructions(machine: str | None = None) -> bool:
    """Tell whether LanceDB can run here: every CPU but an x86 one without AVX2.

    Parameters
    ----------
    machine : as `platform.machine` names it; this one unless given
    """
    if (platform.machine() if machine is None else machine).lower() not in _X86:
        return True
    home = "numpy._core" if importlib.util.find_spec("numpy._core") else "numpy.core"  # before numpy 2
    features = getattr(importlib.import_module(f"{home}._multiarray_umath"), "__cpu_features__", {})
    return bool(features.get("AVX2", True))  # what `numpy.show_runtime` shows


@contextmanager
def worded(address: str, doing: str) -> Iterator[None]:
    """Turn what LanceDB raises into an `InputError` that says why.

    Parameters
    ----------
    address : of the catalogue
    doing : what was tried, such as "cannot be written"
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, EarmarkError):
            raise
        text = str(error)
        is_full = "os error 28" in text or (isinstance(error, OSError) and error.errno == errno.ENOSPC)
        hint = "free some space, then give the same command again; nothing that was in it is lost" if is_full else None
        raise InputError(f"{address}: {doing}: {_first_words(text)}", hint=hint) from error


def _first_words(text: str) -> str:
    """Leave out where in LanceDB's code an error arose."""
    text = re.sub(r",?\s*(/[\w./-]+|[\w./-]+)\.rs:\d+(:\d+)?", "", " ".join(text.split()))
    return text if len(text) <= 300 else f"{text[:300]}…"
