#!/usr/bin/env python3
"""Writes the goldens of this folder with Pillow 9.4 (libjpeg-turbo 2.1, libwebp 1.2) and numpy.

resize.tsv: width, height of a generated picture, its kind, new width and height, filter, first 16
hex digits of the SHA-256 of Pillow's result. files/: small pictures of every kind that is decoded,
each with NAME.rgb.png, Pillow's convert("RGB") of it (for 16-bit gray: the high byte), and for
pictures with an orientation NAME.upright.png, Pillow's exif_transpose.
"""
import hashlib, io, os, random, struct, zlib
import numpy as np
from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
F = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "nearest": Image.NEAREST,
     "box": Image.BOX, "hamming": Image.HAMMING, "lanczos": Image.LANCZOS}


def picture(w, h, kind):
    """noise: bytes of a linear congruential generator; mixed: a gradient with a little noise;
    hard: black and white noise, which drives bicubic and Lanczos over both ends."""
    n, s = 3 * w * h, 12345
    raw = np.empty(n, np.uint32)
    for i in range(n):
        s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
        raw[i] = s >> 24
    raw = raw.reshape(h, w, 3)
    if kind == "noise":
        return raw.astype(np.uint8)
    if kind == "hard":
        return np.where(raw >= 128, 255, 0).astype(np.uint8)
    y, x, c = np.mgrid[0:h, 0:w, 0:3]
    return ((x * 255 // max(w - 1, 1) * (c + 1) // 3 + y * 255 // max(h - 1, 1)) // 2 + raw // 16).clip(0, 255).astype(np.uint8)


def resize_table():
    rnd = random.Random(7)
    cases = []
    for f in F:
        many = 60 if f in ("bilinear", "bicubic") else 15
        for i in range(many):
            lim = rnd.choice([7, 30, 64, 150])
            cases.append((rnd.randint(1, lim), rnd.randint(1, lim), rnd.choice(["noise", "mixed", "hard"]),
                          rnd.randint(1, lim), rnd.randint(1, lim), f))
        for w, h, nw, nh in [(1, 1, 5, 3), (9, 9, 9, 9), (9, 5, 9, 11), (9, 5, 4, 5), (2, 200, 3, 7), (200, 2, 1, 1)]:
            cases.append((w, h, "noise", nw, nh, f))
    for f in ("bilinear", "bicubic"):
        for w, h, nw, nh in [(500, 375, 341, 256), (375, 500, 256, 341), (500, 333, 336, 224), (160, 120, 341, 256),
                             (613, 401, 97, 63), (224, 224, 256, 256), (333, 500, 146, 219)]:
            cases.append((w, h, "mixed", nw, nh, f))
    with open(os.path.join(here, "resize.tsv"), "w") as out:
        for w, h, kind, nw, nh, f in cases:
            im = Image.fromarray(picture(w, h, kind)).resize((nw, nh), F[f])
            print(w, h, kind, nw, nh, f, hashlib.sha256(im.tobytes()).hexdigest()[:16], sep="\t", file=out)


def exif(orientation, big=False):
    e = ">" if big else "<"
    return (b"MM\0*" if big else b"II*\0") + struct.pack(e + "IHHHI", 8, 1, 0x112, 3, 1) + struct.pack(e + "HHI", orientation, 0, 0)


def png16(arr, color_type):
    h, w = arr.shape[:2]
    raw = b"".join(b"\0" + arr[y].astype(">u2").tobytes() for y in range(h))
    def chunk(k, d): return struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, color_type, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def files():
    d = os.path.join(here, "files")
    os.makedirs(d, exist_ok=True)
    for f in os.listdir(d):
        os.remove(os.path.join(d, f))
    def put(name, data, rgb=None):
        open(os.path.join(d, name), "wb").write(data)
        im = Image.open(io.BytesIO(data))
        im = im.convert("RGB") if rgb is None else Image.fromarray(rgb)
        im = Image.fromarray(np.asarray(im))  # without what the file said beside pixels
        im.save(os.path.join(d, name + ".rgb.png"), optimize=True)
        if name.startswith("exif_"):
            up = Image.open(io.BytesIO(data))
            up.load()  # which already turns a TIFF
            up = (up if up.format == "TIFF" else ImageOps.exif_transpose(up)).convert("RGB")
            Image.fromarray(np.asarray(up)).save(os.path.join(d, name + ".upright.png"), optimize=True)
    def save(name, im, fmt, **kw):
        b = io.BytesIO()
        im.save(b, fmt, **kw)
        put(name, b.getvalue())
        return b.getvalue()
    y, x = np.mgrid[0:25, 0:37]
    smooth = np.stack([x * 6 + y, 255 - y * 9, (x * y) % 256], -1).astype(np.uint8)
    smooth[8:16, 10:20] = (250, 20, 30)
    rgb = Image.fromarray(smooth)
    for w, h in [(37, 25), (16, 16), (18, 24), (5, 9), (4, 3), (3, 4), (1, 1)]:
        im = rgb.crop((0, 0, w, h))
        for sub, sname in enumerate(("444", "422", "420")):
            save(f"jpeg_{sname}_{w}x{h}.jpg", im, "JPEG", quality=90, subsampling=sub)
    data = save("jpeg_progressive.jpg", rgb, "JPEG", quality=85, progressive=True)
    save("jpeg_gray.jpg", rgb.convert("L"), "JPEG", quality=90)
    cmyk = np.concatenate([smooth, ((x * 5 + y * 3) % 200)[..., None].astype(np.uint8)], -1)
    data = save("jpeg_cmyk.jpg", Image.fromarray(cmyk, "CMYK"), "JPEG", quality=92)
    # the same bytes without Adobe's marker, and as YCCK (transform 2)
    i = data.index(b"\xff\xee")
    put("jpeg_cmyk_nomarker.jpg", data[:i] + data[i + 2 + 14:])
    put("jpeg_ycck.jpg", data[:i + 15] + b"\x02" + data[i + 16:])
    # vertical halving: swap the sampling factors of a 4:2:2 file of whole 16x16 blocks. Not the same
    # picture, but a valid one.
    b = io.BytesIO()
    rgb.crop((0, 0, 16, 16)).save(b, "JPEG", quality=90, subsampling=1)
    data = b.getvalue()
    i = data.index(b"\xff\xc0")
    assert data[i + 11] == 0x21
    put("jpeg_440_16x16.jpg", data[:i + 11] + b"\x12" + data[i + 12:])
    put("jpeg_411_32x8.jpg", (lambda q: q)(four_one_one(rgb)))

    rgba = Image.fromarray(np.concatenate([smooth, ((x * 7) % 256)[..., None].astype(np.uint8)], -1))
    la = Image.merge("LA", (rgb.convert("L"), rgba.getchannel("A")))
    pal = rgb.quantize(37)
    palt = rgb.quantize(16)
    save("png_rgb.png", rgb, "PNG")
    save("png_rgba.png", rgba, "PNG")
    save("png_gray.png", rgb.convert("L"), "PNG")
    save("png_graya.png", la, "PNG")
    save("png_1bit.png", rgb.convert("1"), "PNG")
    save("png_palette.png", pal, "PNG")
    save("png_palette4.png", palt, "PNG", bits=4)
    save("png_palette_trns.png", pal, "PNG", transparency=3)
    save("png_rgb_trns.png", rgb, "PNG", transparency=(250, 20, 30))
    save("png_gray_trns.png", rgb.convert("L"), "PNG", transparency=90)
    wide = np.stack([x * 1700 + y, 65535 - y * 2500, (x * y * 77) % 65536], -1).astype(np.uint16)
    put("png_rgb16.png", png16(wide, 2))
    alpha = np.concatenate([wide, (x * 1771)[..., None].astype(np.uint16)], -1)
    put("png_rgba16.png", png16(alpha, 6))
    g16 = wide[..., 0]
    put("png_gray16.png", png16(g16, 0), np.repeat((g16 >> 8).astype(np.uint8)[..., None], 3, -1))
    put("png_graya16.png", png16(np.stack([g16, alpha[..., 3]], -1), 4))

    save("gif_global.gif", pal, "GIF")
    save("gif_interlace_off.gif", pal, "GIF", interlace=0)
    t = save("gif_transparent.gif", pal, "GIF", transparency=5)
    i = t.index(b"\x2c", 13 + 3 * 64)
    # a larger logical screen than the frame, and the frame moved
    put("gif_small_frame.gif", t[:6] + struct.pack("<HH", 50, 40) + t[10:i + 1] + struct.pack("<HH", 7, 9) + t[i + 5:])
    b = io.BytesIO()
    pal.save(b, "GIF", save_all=True, append_images=[pal.transpose(0)], duration=50)
    put("gif_animated.gif", b.getvalue())

    for q in (30, 90):
        for w, h in [(37, 25), (16, 12), (1, 1), (2, 3)]:
            save(f"webp_q{q}_{w}x{h}.webp", rgb.crop((0, 0, w, h)), "WEBP", quality=q)
    save("webp_lossless.webp", rgb, "WEBP", lossless=True)
    save("webp_alpha.webp", rgba, "WEBP", quality=80, exact=True)
    save("webp_alpha_lossless.webp", rgba, "WEBP", lossless=True, exact=True)
    b = io.BytesIO()
    rgb.save(b, "WEBP", save_all=True, append_images=[rgb.transpose(0)], duration=50, quality=80)
    put("webp_animated.webp", b.getvalue())

    save("bmp_rgb.bmp", rgb, "BMP")
    save("bmp_palette.bmp", pal, "BMP")
    save("bmp_gray.bmp", rgb.convert("L"), "BMP")
    save("bmp_1bit.bmp", rgb.convert("1"), "BMP")
    save("bmp_rgba.bmp", rgba, "BMP")

    for comp in (None, "tiff_lzw", "tiff_deflate", "packbits"):
        save(f"tiff_rgb_{comp or 'raw'}.tif", rgb, "TIFF", compression=comp)
    save("tiff_gray.tif", rgb.convert("L"), "TIFF")
    save("tiff_palette.tif", pal, "TIFF")
    save("tiff_rgba.tif", rgba, "TIFF")
    save("tiff_g4.tif", rgb.convert("1"), "TIFF", compression="group4")

    # orientation: the picture as stored; the test turns it
    for o in range(1, 9):
        save(f"exif_{o}.jpg", rgb.crop((0, 0, 16, 8)), "JPEG", quality=90, exif=b"Exif\0\0" + exif(o, o % 2 == 1))
    save("exif_6.png", rgb.crop((0, 0, 16, 8)), "PNG", exif=exif(6))
    save("exif_8.webp", rgb.crop((0, 0, 16, 8)), "WEBP", lossless=True, exif=b"Exif\0\0" + exif(8))
    save("exif_3.tif", rgb.crop((0, 0, 16, 8)), "TIFF", tiffinfo={274: 3})


def four_one_one(rgb):
    """A 4:1:1 file: three gray files' worth of blocks cannot be written by Pillow, so the sampling
    factors of a 4:2:0 file of 16x16 (four luma blocks, one of each chroma a unit) become 4x1."""
    b = io.BytesIO()
    rgb.crop((0, 0, 16, 16)).save(b, "JPEG", quality=90, subsampling=2)
    d = b.getvalue()
    i = d.index(b"\xff\xc0")
    assert d[i + 11] == 0x22
    return d[:i + 5] + struct.pack(">HH", 8, 32) + d[i + 9:i + 11] + b"\x41" + d[i + 12:]


if __name__ == "__main__":
    files()
    resize_table()
