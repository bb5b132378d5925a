"""OpenCV's dnn module as a peer: peers/opencv.py MODEL.onnx THREADS BATCH

Every line {"runs": N} on standard input is answered with
{"min": ms, "median": ms}.
"""
import json
import statistics
import sys
import time


def say(**answer):
    print(json.dumps(answer), flush=True)


try:
    import cv2
    import numpy as np
except Exception as err:
    say(missing=f"OpenCV cannot be imported: {err}")
    sys.exit()

file, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cv2.setNumThreads(threads)
x = np.sin(np.arange(batch * 3 * 224 * 224, dtype=np.float32)).reshape(batch, 3, 224, 224)
try:
    net = cv2.dnn.readNetFromONNX(file)
    net.setInput(x)
    net.forward()
except Exception as err:
    say(missing=f"OpenCV {cv2.__version__} does not run this file: {' '.join(str(err).split())[:300]}")
    sys.exit()
say(version=cv2.__version__)


def times(n):
    out = []
    for _ in range(n):
        t = time.perf_counter()
        net.setInput(x)
        net.forward()
        out.append(1e3 * (time.perf_counter() - t))
    return out


for line in sys.stdin:
    times(10)
    t = times(json.loads(line)["runs"])
    say(min=min(t), median=statistics.median(t))
