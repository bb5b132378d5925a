"""Writes photos.txt: checksums of the pixels that Pillow 9.4 (libjpeg-turbo 2.1.5) gives for real photos.

  python3 photos.py DATA > photos.txt

One heading a folder (pattern and number of files), then one line a file in order of names: CRC-32 of
the RGB bytes, and CRC-32 of those of draft mode at 1/2, 1/4 and 1/8 one after the other.
"""
import glob, sys, zlib
from PIL import Image

for pattern in ["images/imagenet-samples/*.JPEG", "images/coral/*.jpg", "images/tflite-support/*.jpg",
                "coco128/val2017/images/*.jpg", "train/flowers/*/*/*.jpg", "train/bccd/JPEGImages/*.jpg"]:
    files = sorted(glob.glob(sys.argv[1] + "/" + pattern))
    print("#", pattern, len(files))
    for f in files:
        full = zlib.crc32(Image.open(f).convert("RGB").tobytes())
        small = 0
        for s in (2, 4, 8):
            im = Image.open(f)
            # Draft mode keeps sides at least as asked; the floor asks for exactly 1/s.
            im.draft(im.mode, (max(1, im.width // s), max(1, im.height // s)))
            small = zlib.crc32(im.convert("RGB").tobytes(), small)
        print("%08x %08x" % (full, small))
