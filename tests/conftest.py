"""Fixtures that every test may use. Synthetic audio is made here; real music lies in the shared folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

collect_ignore = ["golden/make_frontends.py"]  # needs librosa; run by hand

SHARED = Path(os.environ.get("EARMARK_TEST_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine lacks, with the reason."""
    for item in items:
        if "shared" in item.keywords and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"no shared folder at {SHARED}"))


@pytest.fixture(scope="session")
def published_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let published weights come from the shared folder, into a cache that this run alone uses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_MIRROR", str(SHARED / "weights"))
        patch.setenv("EARMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real music and published weights; tests that use it carry the mark `shared`."""
    return SHARED
