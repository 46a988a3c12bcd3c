"""ONNX Runtime, told to tell nobody how it is used: all of earmark imports it here.

From 1.31 on its wheels keep a number of the device and a queue of events in the user's cache, to be sent to its makers,
unless this variable is set before the library is loaded. Whoever wants that sets ``ORT_DISABLE_TELEMETRY=0``.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort  # after the variable

__all__ = ["ort"]
