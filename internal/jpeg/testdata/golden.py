"""Writes files/*.jpg and golden.txt: small pictures of every kind with checksums of the pixels of djpeg
(libjpeg-turbo 2.1.5) at 1/1, 1/2, 1/4 and 1/8; four-component ones with those of Pillow 9.4.

  python3 golden.py        in this folder; needs cjpeg, djpeg, Pillow, numpy
"""
import io, os, random, subprocess, zlib
import numpy as np
from PIL import Image

random.seed(11)
rng = np.random.default_rng(11)
os.makedirs("files", exist_ok=True)
SCANS = {
    "nonint": "0;1;2;\n",
    "pair": "0;1 2;\n",
    "prog2": "0,1,2: 0-0, 0, 1;\n0: 1-5, 0, 2;\n2: 1-63, 0, 1;\n1: 1-63, 0, 1;\n0: 6-63, 0, 2;\n"
             "0: 1-63, 2, 1;\n0,1,2: 0-0, 1, 0;\n2: 1-63, 1, 0;\n1: 1-63, 1, 0;\n0: 1-63, 1, 0;\n",
    "lacking": "0,1,2: 0-0, 0, 0;\n0: 1-5, 0, 2;\n",  # coefficients never sent: smoothed
}


def picture(w, h):
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([128 + 100 * np.sin(x / 5 + c) * np.cos(y / (4 + c)) for c in range(3)], -1)
    a += rng.normal(0, 25, a.shape) * (x[..., None] > w / 2)
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))


def crcs_djpeg(name):
    out = []
    for s in (1, 2, 4, 8):
        p = subprocess.run(["djpeg", "-pnm", "-scale", "1/%d" % s, name], capture_output=True)
        assert p.returncode in (0, 2), (name, p.stderr)
        im = Image.open(io.BytesIO(p.stdout)).convert("RGB")
        out.append("%08x" % zlib.crc32(im.tobytes()))
    return out


def crcs_pillow(name):
    out = []
    for s in (1, 2, 4, 8):
        im = Image.open(name)
        want = (-(-im.width // s), -(-im.height // s))
        if s > 1:
            im.draft(im.mode, (max(1, im.width // s), max(1, im.height // s)))
        out.append("%08x" % zlib.crc32(im.convert("RGB").tobytes()) if im.size == want else "-")
    return out


lines = []


def note(name, data, size, crcs):
    with open("files/" + name, "wb") as f:
        f.write(data)
    lines.append("%s %d %d %s" % (name, *size, " ".join(crcs("files/" + name))))


def cjpeg(im, *args):
    buf = io.BytesIO()
    im.save(buf, "PPM")
    return subprocess.run(["cjpeg", *args], input=buf.getvalue(), capture_output=True, check=True).stdout


n = 0
for sampling in ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "2x2,2x1,2x1", "2x2,1x2,1x2",
                 "2x2,1x1,2x2", "3x2,1x1,1x1", "1x1,2x2,1x1", "4x1,2x1,1x1"]:
    for kind in ["base", "prog", random.choice(["nonint", "pair", "prog2", "lacking"])]:
        w, h = random.randint(1, 40), random.randint(1, 40)
        args = ["-quality", str(random.choice([5, 50, 75, 95, 100])), "-sample", sampling]
        if kind == "prog":
            args += ["-progressive"]
        elif kind in SCANS:
            with open("/tmp/scans.txt", "w") as f:
                f.write(SCANS[kind])
            args += ["-scans", "/tmp/scans.txt"]
        if n % 3 == 1:
            args += ["-restart", random.choice(["1B", "2B", "1", "3B"])]
        if n % 5 == 4:
            args += ["-rgb"]
        if n % 2:
            args += ["-optimize"]
        data = cjpeg(picture(w, h), *args)
        note("%02d_%s_%s_%dx%d.jpg" % (n, sampling.replace(",", "-"), kind, w, h), data, (w, h), crcs_djpeg)
        if n in (0, 4, 9, 10, 16):  # cut inside the data: what is left is decoded, the rest gray or smoothed
            scans = [i for i in range(len(data)) if data[i:i + 2] == b"\xff\xda"]
            at = scans[len(scans) // 2]
            end = min(i for i in range(at + 2, len(data)) if data[i] == 255 and data[i + 1] in (0xc4, 0xd9, 0xda))
            cut = data[: (at + 14 + end) // 2]
            note("%02d_cut_%s_%s_%dx%d.jpg" % (n, sampling, kind, w, h), cut, (w, h), crcs_djpeg)
        n += 1
for args, kind in [([], "base"), (["-progressive"], "prog"), (["-restart", "2B"], "rst")]:
    w, h = random.randint(1, 40), random.randint(1, 40)
    note("gray_%s_%dx%d.jpg" % (kind, w, h), cjpeg(picture(w, h), "-grayscale", *args), (w, h), crcs_djpeg)
for i, kind in enumerate(["adobe0", "adobe2", "plain"]):
    for sub, prog in [(0, False), (2, True)]:
        w, h = random.randint(3, 40), random.randint(3, 40)
        im = Image.merge("CMYK", (*picture(w, h).split(), picture(w, h).convert("L")))
        buf = io.BytesIO()
        im.save(buf, "JPEG", quality=80, subsampling=sub, progressive=prog)
        d = buf.getvalue()
        at = d.index(b"Adobe")
        if kind == "adobe2":
            d = d[: at + 11] + b"\x02" + d[at + 12:]
        if kind == "plain":
            d = d[: at - 4] + d[at + 12:]
        note("cmyk_%s_%d_%dx%d.jpg" % (kind, sub, w, h), d, (w, h), crcs_pillow)
with open("golden.txt", "w") as f:
    f.write("\n".join(lines) + "\n")
