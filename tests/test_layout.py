"""The shape of the house: layers, sizes, no cycles, no torch outside its lines, and docs that match the code."""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "earmark"

# Each line may import from the lines above it only. T marks what may import torch at module level.
LAYERS = """
  _version
  errors
  onnx_runtime
  registry
  files
  config
  assets
  progress
  parallel
  processes
  audio.filters
  audio.loudness
  audio.scratch
  audio.constant_q
  audio.mel_power
  audio.contrast
  audio.spectra
  audio.mpeg
  audio.ogg
  audio.encode
  audio.sources
  audio.identity
  audio.decode
  audio.joined
  audio.io
  audio.chunks
  audio.fingerprint
  audio.tempo
  audio.key
  vocabulary
  sources
  datasets.base
  datasets.reading
  datasets.splitting
  datasets
  metrics
  predictions
  grids
  plain_data
  track_tags
  plots
  models.card
  models.readers
  models.convert
  models.architectures
  models.graphs
  models.paths
  models.weights
  models.importing
T audio.frontends
T audio.augment_base
T audio.augment_levels
T audio.augment_filters
T audio.augment_time
T audio.augment_masks
T audio.augment
T models.layers
T models.peaks
T models.base
T models.fcn
T models.choi
T models.crnn
T models.musicnn
T models.short_chunk
T models.harmonic
T models.attention
T models.content
T models.mlp
T models.raw_layers
T models.sample_cnn
  models.raw_plans
T models.raw_waveform
T models.raw_crnn
T models.windowing
T models.fields
T models.anatomy
T models.export
  models.portable
  runtime
  tagger
  one_call
  demo
  highlights
  tables
  features
  crops
T explain
T losses
T optimizers
  training_data
  floors
T train.options
T train.averaging
T train.feeding
T train.starting
T train.run
T train.judging
T train.checkpoints
T train.overfitting
  train.event_file
  train.drawing
T train.examples
T train.records
T train.loop
T train
  evaluate
  batch
  tagfile
  library.rows
  library.word_index
  library.duplicates
  library.vectors
  library.thresholds
  library.folding
  library.tag_index
  library.filter_nodes
  library.filter_values
  library.filter_parser
  library.filter_sql
  library.filters
  library.query
  library.neighbours
  library.layout
  library.mapping
  library.playlists
  library.taste
  library.fitting
  library.heads
  library.holding_out
  library.answering
  library.suggesting
  library.teach
  library.engine
  library.index
  library.lock
  library.models
  library.schema
  library.store
  library.columns
  library.listening
  library.writing
  library.ledger
  library.adding
  library.managing
  library.resolving
  library.matching
  library.ears
  library.fetching
  library.listeners
  library.agreeing
  library.exchange
  library.search
  library.choosing
  library.charting
  library.checking
  library.answers
  library.own_tags
  library.facade
  tagfile.scores
  tagfile.filling
  service.settings
  service.state
  service.errors
  service.forms
  service.kept
  service.tokens
  service.limits
  service.metrics
  service.finding
  service.hearing
  service.jobs
  service.players
  service.routes
  service.guarding
  service.pages
  service.app
  service.serving
  compat
  cli
  __main__
"""
# The families of architectures, which `models.base.build` imports so that they are registered.
FAMILIES = (
    "models.attention",
    "models.choi",
    "models.content",
    "models.crnn",
    "models.fcn",
    "models.harmonic",
    "models.mlp",
    "models.musicnn",
    "models.raw_crnn",
    "models.raw_waveform",
    "models.sample_cnn",
    "models.short_chunk",
    "models.windowing",
)
MODULE_CAP, MODULE_MEDIAN, FUNCTION_CAP = 500, 150, 60


def layers() -> dict[str, int]:
    names = [line[2:] for line in LAYERS.strip("\n").splitlines()]
    return {name: i for i, name in enumerate(names)}


def torch_layers() -> set[str]:
    return {line[2:] for line in LAYERS.strip("\n").splitlines() if line.startswith("T")}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def layer_of(module: str) -> str | None:
    """The longest name in LAYERS that `module` is or lies in; None for packages that only hold others."""
    found = [name for name in layers() if module == name or module.startswith(f"{name}.")]
    return max(found, key=len, default=None)


def imports(tree: ast.AST, *, top_level_only: bool) -> Iterator[str]:
    for node in walk(tree, top_level_only=top_level_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def walk(tree: ast.AST, *, top_level_only: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from walk(node, top_level_only=top_level_only)


def test_every_module_has_its_place() -> None:
    for name, path in modules():
        if name in ("", "__init__"):
            continue
        is_bare_package = path.name == "__init__.py" and len(ast.parse(path.read_text()).body) <= 1
        assert layer_of(name) or is_bare_package, f"{name} stands in no layer: put it into LAYERS"


def test_layers_named_here_exist() -> None:
    names = {name for name, _ in modules()}
    missing = [name for name in layers() if name not in names]
    assert not missing, f"LAYERS names what is gone: {missing}"


def test_imports_flow_one_way() -> None:
    order = layers()
    for name, path in modules():
        own = layer_of(name)
        if own is None:
            continue
        for target in imports(ast.parse(path.read_text()), top_level_only=False):
            other = layer_of(target.removeprefix("earmark.")) if target.startswith("earmark.") else None
            if other is None or other == own:
                continue
            lazily = own == "models.base" and other in FAMILIES
            assert order[other] < order[own] or lazily, f"{name} imports {target}, which stands below it"


def test_torch_is_imported_by_its_lines_only() -> None:
    heavy = {
        "torch",
        "onnx",
        "onnxscript",
        "matplotlib",
        "av",
        "pyarrow",
        "scipy",
        "PIL",
        "mirdata",
        "jams",
        "lancedb",
        "mutagen",
        "librosa",
        "sklearn",
        "umap",
        "polars",
    }
    for name, path in modules():
        tops = {target.split(".")[0] for target in imports(ast.parse(path.read_text()), top_level_only=True)}
        allowed = {"torch", "onnx"} if layer_of(name) in torch_layers() else set()
        assert not (tops & heavy) - allowed, f"{name} imports {(tops & heavy) - allowed} at module level"
        own = {t for t in imports(ast.parse(path.read_text()), top_level_only=True) if t.startswith("earmark.")}
        if layer_of(name) not in torch_layers():
            into = {t for t in own if layer_of(t.removeprefix("earmark.")) in torch_layers()}
            assert not into, f"{name} imports {into}, which imports torch"


def test_sizes() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in modules()}
    too_long = {name: n for name, n in lengths.items() if n > MODULE_CAP}
    assert not too_long, f"modules over {MODULE_CAP} lines: {too_long}"
    for name, path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n = body_length(node)
                assert n <= FUNCTION_CAP, f"{name}.{node.name} has {n} lines, more than {FUNCTION_CAP}"
    median = statistics.median(
        n - docstring_lines(path) for (_, path), n in zip(modules(), lengths.values(), strict=True)
    )
    assert median <= MODULE_MEDIAN, median


def docstring_lines(path: Path) -> int:
    """Lines of docstrings: shapes, units and errors are to be said, not saved."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    firsts = [node.body[0] for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds) and node.body]
    return sum(
        (first.end_lineno or first.lineno) - first.lineno + 1
        for first in firsts
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )


def body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, the docstring not counted."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


@pytest.mark.parametrize("name", [name for name, _ in modules() if name not in ("__init__", "")])
def test_modules_say_what_they_are_for(name: str) -> None:
    path = dict(modules())[name]
    assert ast.get_docstring(ast.parse(path.read_text())), f"{name} has no docstring"


def test_import_is_quick_and_quiet() -> None:
    code = "import sys, earmark; sys.exit(len({'numpy', 'onnxruntime', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
