"""Writes augment.json: checksums of what torchvision (over Pillow) makes of two synthetic pictures.

    python3 augment.py > augment.json

Made with torchvision 0.14.1 and Pillow 9.4. The pictures are a formula that augment_test.go repeats.
"""
import json
import math
import zlib

import numpy as np
import torchvision.transforms.functional as F
from PIL import Image, ImageOps
from torchvision.transforms.autoaugment import RandAugment, TrivialAugmentWide, _apply_op
from torchvision.transforms.functional import InterpolationMode


def noise(w, h):
    """Every sample is random: all colours, no structure."""
    s, out = 12345, bytearray()
    for _ in range(3 * w * h):
        s = (s * 1664525 + 1013904223) % 2**32
        out.append(s >> 24)
    return Image.frombytes("RGB", (w, h), bytes(out))


def smooth(w, h):
    """A dull gradient: histograms with holes, much grey."""
    out = bytearray()
    for y in range(h):
        for x in range(w):
            out += bytes([40 + (x * 3) % 120, 60 + (y * 2 + x) % 90, 60 + (x * y) % 60])
    return Image.frombytes("RGB", (w, h), bytes(out))


cases = []


def add(op, arg, f):
    for name, m in (("noise", noise(61, 47)), ("smooth", smooth(61, 47)), ("square", smooth(40, 40))):
        b = f(m).tobytes()
        cases.append({"op": op, "arg": arg, "picture": name, "crc": zlib.crc32(b), "head": list(b[:6])})


for v in (0, 0.1, 0.55, 1, 1.37, 1.9):
    add("brightness", v, lambda m: F.adjust_brightness(m, v))
    add("contrast", v, lambda m: F.adjust_contrast(m, v))
    add("saturation", v, lambda m: F.adjust_saturation(m, v))
    add("sharpness", v, lambda m: F.adjust_sharpness(m, v))
for v in (-0.5, -0.21, -0.003, 0, 0.1, 0.35, 0.5):
    add("hue", v, lambda m: F.adjust_hue(m, v))
for v in (0, 1, 2, 4, 7, 8):
    add("posterize", v, lambda m: F.posterize(m, v))
for v in (0, 17.5, 128, 255):
    add("solarize", v, lambda m: F.solarize(m, v))
add("autocontrast", 0, F.autocontrast)
add("equalize", 0, F.equalize)
near = InterpolationMode.NEAREST
for v in (-0.99, -0.3, 0, 0.01, 0.15, 0.6):
    add("shearX", v, lambda m: _apply_op(m, "ShearX", v, near, None))
    add("shearY", v, lambda m: _apply_op(m, "ShearY", v, near, None))
for v in (-32, -3.7, 0, 2.9, 18, 70):
    add("translateX", v, lambda m: _apply_op(m, "TranslateX", v, near, None))
    add("translateY", v, lambda m: _apply_op(m, "TranslateY", v, near, None))
for v in (-135, -30, -7.3, 0, 1, 45, 90, 133.3, 180):
    add("rotate", v, lambda m: _apply_op(m, "Rotate", v, near, None))

spaces = {}
for name, s in (("rand", RandAugment()._augmentation_space(31, (47, 61))), ("trivial", TrivialAugmentWide()._augmentation_space(31))):
    spaces[name] = {k: [[float(v) for v in m.reshape(-1)], sign] for k, (m, sign) in s.items()}
print(json.dumps({"cases": cases, "spaces": spaces}, separators=(",", ":")).replace('},{', '},\n{'))
