"""Runs TensorFlow Lite models with the C library: tflite_run.py LIBRARY IN OUT [THREADS].

IN is a list of (model, inputs), OUT one of outputs for each; a list is its
length and its elements, a byte string its length and its bytes, all numbers
are little-endian uint32. A model that cannot be run has 2**32-1 outputs.
"""
import ctypes
import struct
import sys

lib = ctypes.CDLL(sys.argv[1])
for name in ("ModelCreate", "InterpreterOptionsCreate", "InterpreterCreate", "InterpreterGetInputTensor",
             "InterpreterGetOutputTensor", "TensorData"):
    getattr(lib, "TfLite" + name).restype = ctypes.c_void_p
lib.TfLiteTensorByteSize.restype = ctypes.c_size_t
p = ctypes.c_void_p


def run(model, inputs, threads):
    # The library reads weights where they lie, 16 bytes aligned.
    room = ctypes.create_string_buffer(len(model) + 64)
    at = (ctypes.addressof(room) + 63) // 64 * 64
    ctypes.memmove(at, model, len(model))
    m = lib.TfLiteModelCreate(p(at), ctypes.c_size_t(len(model)))
    if not m:
        return None
    options = p(lib.TfLiteInterpreterOptionsCreate())
    lib.TfLiteInterpreterOptionsSetNumThreads(options, threads)
    it = lib.TfLiteInterpreterCreate(p(m), options)
    lib.TfLiteInterpreterOptionsDelete(options)
    if not it:
        return None
    it = p(it)
    if lib.TfLiteInterpreterAllocateTensors(it) != 0:
        return None
    if lib.TfLiteInterpreterGetInputTensorCount(it) != len(inputs):
        print("inputs:", lib.TfLiteInterpreterGetInputTensorCount(it), len(inputs), file=sys.stderr)
        return None
    for i, x in enumerate(inputs):
        t = p(lib.TfLiteInterpreterGetInputTensor(it, i))
        if lib.TfLiteTensorByteSize(t) != len(x):
            print("input", i, "has", len(x), "bytes, needs", lib.TfLiteTensorByteSize(t), file=sys.stderr)
            return None
        ctypes.memmove(p(lib.TfLiteTensorData(t)), x, len(x))
    if lib.TfLiteInterpreterInvoke(it) != 0:
        return None
    out = []
    for i in range(lib.TfLiteInterpreterGetOutputTensorCount(it)):
        t = p(lib.TfLiteInterpreterGetOutputTensor(it, i))
        out.append(ctypes.string_at(p(lib.TfLiteTensorData(t)), lib.TfLiteTensorByteSize(t)))
    lib.TfLiteInterpreterDelete(it)
    lib.TfLiteModelDelete(p(m))
    return out


def main():
    with open(sys.argv[2], "rb") as f:
        data = f.read()
    pos = 0

    def number():
        nonlocal pos
        pos += 4
        return struct.unpack_from("<I", data, pos - 4)[0]

    def text():
        nonlocal pos
        n = number()
        pos += n
        return data[pos - n:pos]

    with open(sys.argv[3], "wb") as f:
        for _ in range(number()):
            model = text()
            out = run(model, [text() for _ in range(number())], int(sys.argv[4]))
            f.write(struct.pack("<I", 2**32 - 1 if out is None else len(out)))
            for y in out or []:
                f.write(struct.pack("<I", len(y)) + y)


main()
