"""Makes the golden arrays in this folder; values.json holds what they contain.
Made with numpy 1.24: python3 make.py"""
import io, json, os
import numpy as np
from numpy.lib import format as npf

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(3)
arrays = {}
for code in "<f8 <f4 <f2 <i8 <i4 <i2 |i1 <u8 <u4 <u2 |u1 |b1 >f4 >i2".split():
    dt = np.dtype(code)
    if dt.kind == "f":
        a = rng.normal(size=(2, 3)).astype(dt)
    else:
        a = rng.integers(0, 2 if dt.kind == "b" else 100, size=(2, 3)).astype(dt)
    arrays[code.translate({ord("<"): "le_", ord(">"): "be_", ord("|"): "one_"})] = a
arrays["fortran"] = np.asfortranarray(np.arange(24, dtype="f4").reshape(2, 3, 4))
arrays["scalar"] = np.array(1.5, "f4")
arrays["vector"] = np.arange(5, dtype="f4")
arrays["empty"] = np.zeros((0, 3), "f4")
values = {}
for name, a in arrays.items():
    np.save(os.path.join(here, name + ".npy"), a)
    values[name] = {"shape": list(a.shape), "values": a.astype("f8").flatten().tolist()}
for v in (2, 3):
    with open(os.path.join(here, f"version{v}.npy"), "wb") as f:
        npf.write_array(f, arrays["vector"], version=(v, 0))
    values[f"version{v}"] = values["vector"]
np.savez(os.path.join(here, "stored.npz"), **arrays)
np.savez_compressed(os.path.join(here, "deflated.npz"), **arrays)
with open(os.path.join(here, "values.json"), "w") as f:
    json.dump(values, f, indent=0, sort_keys=True)
np.save(os.path.join(here, "refused_structured.npy"), np.zeros(2, [("a", "f4"), ("b", "i4")]))
np.save(os.path.join(here, "refused_object.npy"), np.array([{}], dtype=object))
np.save(os.path.join(here, "refused_complex.npy"), np.zeros(2, "c8"))
