"""The TensorFlow Lite C library as a peer: peers/tflite.py MODEL.tflite THREADS BATCH

MOBILENET_TFLITE names libtensorflowlite_c.so. Every line {"runs": N} on
standard input is answered with {"min": ms, "median": ms}.
"""
import ctypes
import json
import os
import statistics
import sys
import time


def say(**answer):
    print(json.dumps(answer), flush=True)


def pointer(function):
    function.restype = ctypes.c_void_p
    return lambda *args: ctypes.c_void_p(function(*args))


file, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
library = os.environ.get("MOBILENET_TFLITE", "")
try:
    if not library:
        raise OSError("MOBILENET_TFLITE does not name libtensorflowlite_c.so")
    if batch != 1:
        raise OSError("the files are of one picture")
    lib = ctypes.CDLL(library)
    model = pointer(lib.TfLiteModelCreateFromFile)(file.encode())
    options = pointer(lib.TfLiteInterpreterOptionsCreate)()
    lib.TfLiteInterpreterOptionsSetNumThreads(options, threads)
    net = pointer(lib.TfLiteInterpreterCreate)(model, options)
    if not model.value or not net.value or lib.TfLiteInterpreterAllocateTensors(net) != 0:
        raise OSError("TensorFlow Lite does not run this file")
    x = pointer(lib.TfLiteInterpreterGetInputTensor)(net, 0)
    lib.TfLiteTensorByteSize.restype = ctypes.c_size_t
    size = lib.TfLiteTensorByteSize(x)
    data = bytes((i * 73 + i // 677) % 256 for i in range(size))
    ctypes.memmove(pointer(lib.TfLiteTensorData)(x), data, size)
except Exception as err:
    say(missing=str(err))
    sys.exit()
lib.TfLiteVersion.restype = ctypes.c_char_p
say(version=lib.TfLiteVersion().decode())


def times(n):
    out = []
    for _ in range(n):
        t = time.perf_counter()
        if lib.TfLiteInterpreterInvoke(net) != 0:
            say(missing="TensorFlow Lite failed")
            sys.exit()
        out.append(1e3 * (time.perf_counter() - t))
    return out


for line in sys.stdin:
    runs = json.loads(line)["runs"]
    times(3)
    t = times(runs)
    say(min=min(t), median=statistics.median(t))
