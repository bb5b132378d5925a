"""Makes kinds.onnx, kinds.json and real.json with the onnx package (1.12).

kinds.onnx holds every element type, stored raw and as typed fields, and every
attribute kind; kinds.json says what is in it, as the onnx package reads it.
real.json counts what is in the ONNX files of the test data folder given as
the first argument.
"""
import collections, glob, hashlib, json, os, sys
import numpy as np, onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T

here = os.path.dirname(os.path.abspath(__file__))


def digest(t):
    a = np.ascontiguousarray(nh.to_array(t))
    if t.data_type == T.BFLOAT16:  # numpy has none: onnx widens to float32
        a = (a.view(np.uint32) >> 16).astype(np.uint16)
    return hashlib.sha256(a.tobytes()).hexdigest()


def describe(m):
    g = m.graph
    tensors = [(t.name, t) for t in g.initializer]
    for n in g.node:
        for a in n.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                tensors.append((n.output[0] + "/" + a.name, a.t))

    def shape(v):
        return [d.dim_value if d.HasField("dim_value") else -1 for d in v.type.tensor_type.shape.dim]
    return {
        "ir": m.ir_version, "opset": {o.domain: o.version for o in m.opset_import}, "producer": m.producer_name,
        "metadata": {p.key: p.value for p in m.metadata_props},
        "ops": dict(collections.Counter(n.op_type for n in g.node)),
        "inputs": {v.name: shape(v) for v in g.input}, "outputs": {v.name: shape(v) for v in g.output},
        "initializers": len(g.initializer), "attributes": sum(len(n.attribute) for n in g.node),
        "edges": hashlib.sha256("\n".join(" ".join(list(n.input) + ["->"] + list(n.output)) for n in g.node).encode()).hexdigest(),
        "tensors": {k: [t.data_type, list(t.dims), digest(t)] for k, t in tensors} if len(tensors) < 64 else None,
        "tensor_count": len(tensors),
        "all": hashlib.sha256("".join(sorted(digest(t) for _, t in tensors)).encode()).hexdigest(),
    }


init = []
for name, dt, np_dt in [("f32", T.FLOAT, np.float32), ("u8", T.UINT8, np.uint8), ("i8", T.INT8, np.int8), ("u16", T.UINT16, np.uint16),
                        ("i16", T.INT16, np.int16), ("i32", T.INT32, np.int32), ("i64", T.INT64, np.int64), ("bool", T.BOOL, np.bool_),
                        ("f16", T.FLOAT16, np.float16), ("f64", T.DOUBLE, np.float64), ("u32", T.UINT32, np.uint32), ("u64", T.UINT64, np.uint64)]:
    vals = np.array([0, 1, 1, 1, 0, 1], np_dt).reshape(2, 3) if np_dt == np.bool_ else \
        (np.array([0, 1, -1, 2.5, -3.25, 100])).astype(np.int64 if np.issubdtype(np_dt, np.integer) else np_dt).astype(np_dt).reshape(2, 3)
    init.append(nh.from_array(vals, name + "_raw"))
    flat = vals.flatten()
    if dt == T.FLOAT16:
        flat = flat.view(np.uint16)
        t = T(name=name + "_typed", data_type=dt, dims=[2, 3]); t.int32_data.extend(int(v) for v in flat); init.append(t)
    else:
        init.append(h.make_tensor(name + "_typed", dt, [2, 3], [v.item() for v in flat]))
bf = T(name="bf16_raw", data_type=T.BFLOAT16, dims=[3], raw_data=np.array([0x3f80, 0xc000, 0x4049], np.uint16).tobytes()); init.append(bf)
bt = T(name="bf16_typed", data_type=T.BFLOAT16, dims=[3]); bt.int32_data.extend([0x3f80, 0xc000, 0x4049]); init.append(bt)
init.append(nh.from_array(np.float32(7), "scalar"))
init.append(nh.from_array(np.zeros((0, 4), np.float32), "empty"))
node = h.make_node("Everything", ["x", "", "f32_raw"], ["y"], name="all", domain="test.domain", i=-5, f=0.5, s="text",
                   ints=[1, -2, 1 << 40], floats=[0.25, -1.5], strings=["a", "b"], t=nh.from_array(np.arange(4, dtype=np.int64), "inner"))
node.attribute.append(h.make_attribute("tensors", [nh.from_array(np.float32([1]), "t0"), nh.from_array(np.float32([2, 3]), "t1")]))
g = h.make_graph([node, h.make_node("Relu", ["y"], ["z"])], "kinds", [h.make_tensor_value_info("x", T.FLOAT, ["batch", 3, None, 8])],
                 [h.make_tensor_value_info("z", T.FLOAT, None)], init, value_info=[h.make_tensor_value_info("y", T.FLOAT16, [])])
m = h.make_model(g, opset_imports=[h.make_opsetid("", 15), h.make_opsetid("test.domain", 2)], producer_name="make.py", ir_version=8)
h.set_model_props(m, {"author": "nobody", "note": "ä"})
onnx.save(m, os.path.join(here, "kinds.onnx"))
json.dump(describe(m), open(os.path.join(here, "kinds.json"), "w"), indent=1)
if len(sys.argv) > 1:
    real = {os.path.relpath(f, sys.argv[1]): describe(onnx.load(f)) for f in sorted(glob.glob(sys.argv[1] + "/models/*/*.onnx"))}
    json.dump(real, open(os.path.join(here, "real.json"), "w"), indent=1)
