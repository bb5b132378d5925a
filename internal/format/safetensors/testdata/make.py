"""Makes golden.safetensors straight from the format's description, without
any safetensors library: python3 make.py"""
import json, os, struct
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
parts = [
    ("w", "F32", [2, 3], np.arange(6, dtype="<f4").tobytes()),
    ("half", "F16", [2], np.array([1.5, -2], "<f2").tobytes()),
    ("brain", "BF16", [2], struct.pack("<HH", 0x3F80, 0xC000)),
    ("count", "I64", [], struct.pack("<q", -5)),
    ("none", "F64", [0, 7], b""),
    ("mask", "BOOL", [3], bytes([1, 0, 1])),
    ("e4", "F8_E4M3", [1], bytes([0x38])),
    ("e5", "F8_E5M2", [1], bytes([0x3C])),
    ("d", "F64", [1], struct.pack("<d", 0.1)),
    ("i32", "I32", [1], struct.pack("<i", -3)),
    ("i16", "I16", [1], struct.pack("<h", -3)),
    ("i8", "I8", [1], struct.pack("<b", -3)),
    ("u64", "U64", [1], struct.pack("<Q", 3)),
    ("u32", "U32", [1], struct.pack("<I", 3)),
    ("u16", "U16", [1], struct.pack("<H", 3)),
    ("caf\u00e9 \"u8\"", "U8", [1], bytes([3])),
]
head, data = {"__metadata__": {"format": "pt", "note": "a\nb"}}, b""
for name, dt, shape, raw in parts:
    head[name] = {"dtype": dt, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
j = json.dumps(head).encode()
j += b" " * (-len(j) % 8)
with open(os.path.join(here, "golden.safetensors"), "wb") as f:
    f.write(struct.pack("<Q", len(j)) + j + data)
