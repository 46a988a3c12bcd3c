"""Fixtures that every test may use. Synthetic audio is made here; real music lies in the shared folder."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

collect_ignore = ["golden/make_frontends.py"]  # needs librosa; run by hand

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores: one thread each, else they wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")

CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--no-first-run", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip

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


@pytest.fixture(scope="module")  # its event loop runs for as long: no other test could have one
def chromium() -> Iterator[Any]:
    """A browser, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write the folder that a run leaves, of a network with random weights; tests do not wait for training."""
    torch = pytest.importorskip("torch")
    from earmark.models.base import build, save
    from earmark.models.card import ModelCard

    def write(name: str, architecture: str, *, tags: Sequence[str] = ("a", "b", "c"), **facts: Any) -> Path:
        options = {**facts.pop("options", {}), "n_tags": len(tags)}
        torch.manual_seed(5)
        model = build(architecture, **options)
        model.card = ModelCard(
            **{
                "name": name,
                "architecture": architecture,
                "options": options,
                "sample_rate": model.sample_rate,
                "chunk_samples": model.chunk_samples,
                "hop_samples": model.chunk_samples,
                "context_samples": model.context,
                "frontend": "own",
                "vocabulary": "own",
                "tags": tuple(tags),
                "n_parameters": model.n_parameters,
                "embedding": model.embedding_layer,
                "n_features": model.n_features,
                **facts,
            }
        )
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "run.toml").write_text('[model]\nname = "..."\n')
        save(model, folder / "best.safetensors")
        return folder

    return write
