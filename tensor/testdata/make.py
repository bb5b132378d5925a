"""Makes golden.json: what numpy 1.24 and PyTorch 1.13 make of every 16-bit and
8-bit float, and of some wide numbers. NaNs count as 0x7fc00000.
    python3 make.py"""
import hashlib, json, os
import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))


def bits(a):
    b = np.ascontiguousarray(a, "<f4").view("<u4").copy()
    b[np.isnan(a)] = 0x7FC00000
    return b


def digest(a):
    return hashlib.sha256(bits(a).tobytes()).hexdigest()


all16 = np.arange(65536, dtype="<u2")
all8 = np.arange(256, dtype="<u2")
# An E5M2 number is the upper half of a half-precision number. An E4M3 number
# has its fields in the same order as a half with exponents 8 lower.
e5m2 = (all8 << 8).view("<f2").astype("<f4")
e4m3 = (((all8 & 0x80) << 8) | ((all8 & 0x7F) << 7)).view("<f2").astype("<f4") * 256
e4m3[[0x7F, 0xFF]] = np.nan
f8 = np.array([0.0, -0.0, 1 / 3, 1e-46, 1e-45, 1 + 2**-24, 1 + 3 * 2**-24, 3.4e38, 1e39, -1e39, np.inf, np.nan])
i8 = np.array([0, -1, 2**24 + 1, 2**24 + 3, 2**53 + 1, 2**63 - 1, -(2**63)], "<i8")
u8 = np.array([0, 2**32 + 1, 2**64 - 1, 2**63], "<u8")
with np.errstate(over="ignore"):
    golden = {
        "float16": digest(all16.view("<f2").astype("<f4")),
        "bfloat16": digest(torch.from_numpy(all16.view("<i2").copy()).view(torch.bfloat16).float().numpy()),
        "float8_e5m2": bits(e5m2).tolist(),
        "float8_e4m3": bits(e4m3).tolist(),
        "float64_bytes": f8.astype("<f8").tobytes().hex(),
        "float64": bits(f8.astype("<f4")).tolist(),
        "int64_bytes": i8.tobytes().hex(),
        "int64": bits(i8.astype("<f4")).tolist(),
        "uint64_bytes": u8.tobytes().hex(),
        "uint64": bits(u8.astype("<f4")).tolist(),
    }
with open(os.path.join(here, "golden.json"), "w") as f:
    json.dump(golden, f)
    f.write("\n")
