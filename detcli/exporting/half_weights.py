"""Weights of an ONNX graph stored as float16; the network still computes in float32."""

from typing import Any

import numpy as np

_WITH_WEIGHTS = {"Conv", "Gemm", "MatMul"}
_MIN_VALUES = 64  # smaller constants are sizes and scales, which cost nothing


def store_weights_as_float16(model: Any) -> None:
    """Change float32 weights of an onnx.ModelProto to float16, each followed by a Cast, in place.

    Only the weights of convolutions and matrix products: positions, anchors and bins would move boxes. Weights beyond the
    range of float16 stay float32. Runtimes fold the casts when they load the file.
    """
    from onnx import TensorProto, helper, numpy_helper

    uses: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            uses.setdefault(name, set()).add(node.op_type)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or not uses.get(tensor.name, set()) <= _WITH_WEIGHTS:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _MIN_VALUES or not (np.abs(values) <= np.finfo(np.float16).max).all():
            continue
        name, stored = tensor.name, f"{tensor.name}_float16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], name=f"{name}_cast", to=TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        model.graph.node.insert(position, cast)
