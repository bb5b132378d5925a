"""Writes small files in the layouts of Keras's weight files with h5py.

Keras itself is not needed: the layouts are those of its saving code (legacy
HDF5 format; saving_lib for .weights.h5 and .keras). Run in this directory.
"""
import io
import json
import zipfile

import h5py
import numpy as np


def ramp(*shape, start=0):
    return (np.arange(np.prod(shape)) + start).reshape(shape).astype("f4")


def strings(names):
    return np.array([n.encode() for n in names]) if names else np.array([])


# A model inside a model, a scope with a suffix, and a list of layers cut in two.
with h5py.File("keras2.h5", "w") as f:
    f.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {"layers": []}})
    f.attrs["keras_version"] = "2.4.0"
    g = f.create_group("model_weights")
    g.attrs["layer_names0"] = strings(["input", "base"])
    g.attrs["layer_names1"] = strings(["predictions"])
    for layer, weights in {
        "input": {},
        "base": {"Conv1/kernel:0": ramp(1, 1, 3, 2), "bn_Conv1/gamma:0": ramp(2)},
        "predictions": {"predictions_1/kernel:0": ramp(2, 5), "predictions_1/bias:0": ramp(5)},
    }.items():
        h = g.create_group(layer)
        h.attrs["weight_names"] = strings(list(weights))
        for n, v in weights.items():
            h[n] = v
    f.create_group("optimizer_weights")["Adam/iter:0"] = 7


def keras3(f, group):
    for name, weights in {
        "conv2d": [ramp(3, 3, 3, 2)],
        "depthwise_conv2d": [ramp(3, 3, 2, 1)],
        "batch_normalization": [ramp(2, start=10 * k) for k in range(4)],
        "batch_normalization_1": [ramp(2, start=100 + 10 * k) for k in range(4)],
        "conv2d_1": [ramp(1, 1, 2, 3)],
        "conv2d_2": [ramp(1, 1, 2, 3, start=50)],
        "conv2d_10": [ramp(1, 1, 2, 3, start=60)],
        "re_lu": [],
        "dense": [ramp(3, 5), ramp(5)],
    }.items():
        v = f.create_group(f"{group}/{name}/vars")
        for i, w in enumerate(weights):
            v[str(i)] = w


with h5py.File("keras3.weights.h5", "w") as f:
    keras3(f, "layers")

classes = ["InputLayer", "Conv2D", "BatchNormalization", "ReLU", "DepthwiseConv2D", "BatchNormalization"] + ["Conv2D"] * 10 + ["Dense"]
names = ["input", "stem", "stem_bn", "act", "dw", "dw_bn"] + [f"pw_{i}" for i in range(1, 11)] + ["head"]
config = {"class_name": "Functional", "config": {"layers": [{"class_name": c, "config": {"name": n}} for c, n in zip(classes, names)]}}
b = io.BytesIO()
with h5py.File(b, "w") as f:
    keras3(f, "layers")
with zipfile.ZipFile("model.keras", "w", zipfile.ZIP_DEFLATED) as z:
    for name, data in (("metadata.json", json.dumps({"keras_version": "3.8.0"})), ("config.json", json.dumps(config)), ("model.weights.h5", b.getvalue())):
        z.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
