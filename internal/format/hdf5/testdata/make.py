"""Writes the test files of package hdf5 with h5py (3.7, HDF5 1.10) and NumPy.

Run in this directory; files are packed with gzip. Every dataset's values are also written, as h5py reads
them back, to golden.json: shape, type and the values in C order as float64.
"""
import ctypes
import gzip
import json
import os

import h5py
import numpy as np

rng = np.random.default_rng(3)


def keras(f, layers, groups=None):
    """The layout of Keras's weight files."""
    f.attrs["backend"] = b"tensorflow"
    f.attrs["keras_version"] = b"2.8.0"
    f.attrs["layer_names"] = np.array([n.encode() for n, _ in layers])
    for name, weights in layers:
        g = f.create_group(name)
        g.attrs["weight_names"] = np.array([f"{name}/{w}:0".encode() for w in weights])
        for w, v in weights.items():
            g.create_dataset(f"{name}/{w}:0", data=v)


def small():
    return [
        ("conv1", {"kernel": rng.standard_normal((3, 3, 3, 2), dtype="f4")}),
        ("conv1_bn", {k: rng.standard_normal(2, dtype="f4") for k in ("gamma", "beta", "moving_mean", "moving_variance")}),
        ("relu", {}),
        ("Conv/BatchNorm", {"gamma": rng.standard_normal(2, dtype="f4")}),
    ]


def types(f):
    x = rng.integers(0, 100, (2, 3))
    for t in ("i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"):
        f.create_dataset(t.replace("<", "le_").replace(">", "be_"), data=(x - (50 if "i" in t else 0) + (0.25 if "f" in t else 0)).astype(t))
    f["bool"] = np.array([True, False, True])
    f["scalar"] = np.float32(2.5)
    f["empty"] = np.zeros((0, 4), "f4")
    f["null"] = h5py.Empty("f4")
    f["complex"] = np.ones(2, "c8")
    f["fixed"] = np.array([b"one", b"three"])
    f["text"] = np.array(["eins", "zwei \u00fc", ""], dtype=object).astype(h5py.string_dtype())
    f.create_dataset("unwritten", (3, 2), "f4", fillvalue=1.5)
    f.create_dataset("unwritten_zero", (3,), "i4")
    f.attrs["numbers"] = np.arange(3, dtype=">i2")
    f.attrs["text"] = "J\u00e4ger"
    f.attrs["list"] = np.array(["a", "bc"], dtype=object).astype(h5py.string_dtype())
    f.attrs["long"] = "x" * 100000
    f.attrs["named"] = h5py.Empty("f4")
    f["committed"] = np.dtype("f8")
    f.create_dataset("of_committed", data=np.arange(3.0), dtype=f["committed"])
    f["again"] = f["le_f4"]  # a second hard link
    f["soft"] = h5py.SoftLink("/le_f4")


def chunks(f):
    def add(name, shape, chunk, dtype="f4", **kw):
        f.create_dataset(name, data=rng.integers(-9, 9, shape).astype(dtype), chunks=chunk, **kw)
    add("plain", (5, 7), (2, 3))
    add("gzip", (5, 7), (2, 3), compression="gzip")
    add("shuffle", (9, 4), (4, 4), shuffle=True)
    add("both", (3, 3, 4, 5), (2, 3, 2, 5), compression="gzip", compression_opts=9, shuffle=True)
    add("all", (11,), (4,), "f8", compression="gzip", shuffle=True, fletcher32=True)
    add("sum", (11,), (4,), "i2", fletcher32=True)
    add("odd", (3,), (3,), "u1", fletcher32=True)
    add("one", (4, 4), (4, 4), compression="gzip")
    add("many", (30, 30), (2, 2), "u1")  # a tree of more than one level
    add("paged", (36, 36), (1, 1), "i1")  # an index of more than one page
    add("big_end", (6,), (4,), ">i4", shuffle=True)
    d = f.create_dataset("holes", (6, 6), "f4", chunks=(3, 3), fillvalue=-2)
    d[3:, 3:] = 1


def deep(f):
    """A large group."""
    for i in range(700):
        f.create_dataset(f"weight_{i * 7919 % 700:03d}", data=np.float32(i))


files = {
    "keras.h5": (lambda f: keras(f, small()), {}),
    "types.h5": (types, {}),
    "chunks.h5": (chunks, {}),
    "latest.h5": (lambda f: keras(f, small()), {"libver": "latest"}),
    "latest_types.h5": (types, {"libver": "latest"}),
    "latest_chunks.h5": (chunks, {"libver": "latest"}),
    "user.h5": (lambda f: keras(f, small()), {"userblock_size": 1024}),
    "tracked.h5": (lambda f: keras(f, small()), {"track_order": True}),
}


def dump(name, golden):
    with h5py.File(name, "r") as f:
        out = {}

        def visit(path, o):
            if not isinstance(o, h5py.Dataset) or o.shape is None or o.dtype.kind not in "iufb":
                return
            v = np.asarray(o[()])
            out[path] = {"shape": list(o.shape), "type": o.dtype.newbyteorder("=").name, "values": v.astype("f8").ravel().tolist()}
        f.visititems(visit)
    golden[name] = out


def pack(name):
    """Test files are mostly empty space."""
    with open(name, "rb") as f, open(name + ".gz", "wb") as z:
        z.write(gzip.compress(f.read(), 9, mtime=0))
    os.remove(name)


golden = {}
for name, (fill, kw) in files.items():
    with h5py.File(name, "w", **kw) as f:
        fill(f)
    dump(name, golden)
    pack(name)

# Nodes of two entries make trees of many levels, in a superblock of version 1.
plist = h5py.h5p.create(h5py.h5p.FILE_CREATE)
lib = ctypes.CDLL("libhdf5_serial.so.103")  # h5py has no call for these
assert lib.H5Pset_sym_k(ctypes.c_int64(plist.id), ctypes.c_uint(1), ctypes.c_uint(1)) >= 0
assert lib.H5Pset_istore_k(ctypes.c_int64(plist.id), ctypes.c_uint(1)) >= 0
with h5py.File(h5py.h5f.create(b"narrow.h5", fcpl=plist)) as f:
    for i in range(60):
        f[f"w{i * 37 % 60}"] = np.float32(i)
    f.create_dataset("chunks", data=np.arange(80.0).reshape(8, 10), chunks=(1, 2))
dump("narrow.h5", golden)
pack("narrow.h5")

for name, kw in (("deep.h5", {}), ("latest_deep.h5", {"libver": "latest"})):
    with h5py.File(name, "w", **kw) as f:
        deep(f)
        for i in range(40 if kw else 3):
            f.attrs[f"attribute_{i}"] = i
    pack(name)
with open("golden.json", "w") as f:
    json.dump(golden, f, separators=(",", ":"))
pack("golden.json")
