"""Races the decoder against Pillow (libjpeg-turbo) and image/jpeg, in alternation, one thread each.

  go test -c -o /tmp/jpeg.test . && python3 testdata/race.py /tmp/jpeg.test PHOTO [ROUNDS]

PHOTO is enlarged to 2, 8 and 16 megapixels and saved with 4:2:0 sampling at quality 85. Both sides decode
from memory to a fresh picture: Pillow to its 4 bytes a pixel, ours to 3. Printed are the fastest times
and the median of the ratios of neighbours.
"""
import io, os, statistics, subprocess, sys, tempfile, time
from PIL import Image

binary, photo = sys.argv[1:3]
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 11
go = subprocess.Popen([binary, "-test.run", "^TestRace$"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                      env=dict(os.environ, JPEG_RACE="1", GOMAXPROCS="1"))


def ours(scale, name):
    go.stdin.write("%d %s\n" % (scale, name))
    go.stdin.flush()
    return int(go.stdout.readline()) / 1e6


def pillow(scale, data):
    start = time.perf_counter()
    im = Image.open(io.BytesIO(data))
    if scale > 1:
        im.draft("RGB", (im.width // scale, im.height // scale))
    im.load()
    return (time.perf_counter() - start) * 1e3


base = Image.open(photo).convert("RGB")
with tempfile.TemporaryDirectory() as folder:
    for mp, size in (2, (1632, 1224)), (8, (3264, 2448)), (16, (4896, 3264)):
        name = os.path.join(folder, "%d.jpg" % mp)
        base.resize(size, Image.BICUBIC).save(name, quality=85, subsampling=2)
        with open(name, "rb") as f:
            data = f.read()
        for scale in (1, 4):
            a, b, c = [], [], []
            for _ in range(rounds):
                a.append(ours(scale, name))
                b.append(pillow(scale, data))
                if scale == 1:
                    c.append(ours(0, name))
            line = "%2d MP 1/%d: ours %.1f ms, Pillow %.1f ms, ratio %.2f, median of ratios %.2f" % (
                mp, scale, min(a), min(b), min(a) / min(b), statistics.median(x / y for x, y in zip(a, b)))
            if c:
                line += "; image/jpeg %.1f ms, ratio %.2f" % (min(c), min(a) / min(c))
            print(line, flush=True)
go.stdin.close()
