"""Makes tflite.npz: the weights, input and output of one network in TFLite's
layouts. PyTorch computes it with the paddings that TFLite's SAME rule gives;
the test writes the same network as TFLite operators.
"""
import os
import numpy as np, torch, torch.nn.functional as F

torch.manual_seed(1)
r = torch.randn
x = r(1, 3, 11, 8)
w = {"w0": r(6, 3, 3, 3), "b0": r(6), "w1": r(12, 1, 3, 3), "b1": r(12), "w2": r(12, 1, 3, 3), "b2": r(12), "w3": r(8, 12, 1, 1).half().float(), "b3": r(8),
     "q4": torch.randint(-127, 128, (5, 8)), "s4": torch.rand(5) / 50, "b4": r(5), "slope": r(8)}
y = F.conv2d(F.pad(x, (0, 1, 1, 1)), w["w0"], w["b0"], 2).clamp(0, 6)           # SAME, stride 2: 11x8 -> 6x4
y = F.conv2d(F.pad(y, (1, 1, 1, 1)), w["w1"], w["b1"], 1, 0, 1, groups=6)       # depthwise, multiplier 2, SAME
y = F.hardswish(y)
y = F.conv2d(F.pad(y, (0, 1, 0, 1)), w["w2"], w["b2"], 2, groups=12).clamp(-1, 1)  # PAD, then VALID: 3x2
y = F.conv2d(y, w["w3"], w["b3"])                                               # float16 weights through DEQUANTIZE
y = F.prelu(y, w["slope"])
area = F.avg_pool2d(F.pad(torch.ones_like(y), (0, 1, 0, 1)), 2, 1)  # AVERAGE_POOL_2D 2x2 SAME counts no padding
p = F.avg_pool2d(F.pad(y, (0, 1, 0, 1)), 2, 1) / area
y = F.relu(y + p * 0.5)
z = y.mean([2, 3])
logits = z @ (w["q4"].float() * w["s4"][:, None]).T + w["b4"]
prob = F.softmax(logits * 0.5, 1)
out = {"x": x.permute(0, 2, 3, 1), "prob": prob, "w0": w["w0"].permute(0, 2, 3, 1), "w1": w["w1"].permute(1, 2, 3, 0), "w2": w["w2"].permute(1, 2, 3, 0), "w3": w["w3"].permute(0, 2, 3, 1).half(),
       "q4": w["q4"].to(torch.int8), "s4": w["s4"], "slope": w["slope"].view(1, 1, 8), **{k: w[k] for k in ("b0", "b1", "b2", "b3", "b4")}}
np.savez(os.path.join(os.path.dirname(os.path.abspath(__file__)), "tflite.npz"), **{k: np.ascontiguousarray(v.numpy()) for k, v in out.items()})
