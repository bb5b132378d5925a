"""Makes testdata/torch: small networks exported by PyTorch 1.13 to ONNX with
their inputs and outputs (cases.npz: NAME/x and NAME/y, in PyTorch's layout).

Pictures have odd sizes and few channels; every weight is random.
"""
import os
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
import onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T

torch.manual_seed(0)
torch.set_grad_enabled(False)
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch")
os.makedirs(here, exist_ok=True)
arrays = {}


def randomise(m):
    for name, b in m.named_buffers():
        if name.endswith("running_mean"):
            b.normal_(0, 0.5)
        if name.endswith("running_var"):
            b.uniform_(0.5, 2)
    for name, p in m.named_parameters():
        if p.dim() == 1:
            p.uniform_(-0.5, 1.5)


def case(name, m, c=3, hw=(9, 7), opset=13, n=1, keep_bn=False, fold=True, dynamic=False, scale=2.0):
    m.eval()
    randomise(m)
    x = torch.randn(n, c, *hw) * scale
    y = m(x)
    axes = {"x": {0: "n"}, "y": {0: "n"}} if dynamic else None
    if dynamic == "size":
        axes = {"x": {0: "n", 2: "h", 3: "w"}, "y": {0: "n"}}
    torch.onnx.export(m, x, os.path.join(here, name + ".onnx"), opset_version=opset, input_names=["x"], output_names=["y"], dynamic_axes=axes,
                      do_constant_folding=fold, training=torch.onnx.TrainingMode.PRESERVE if keep_bn else torch.onnx.TrainingMode.EVAL)
    arrays[name + "/x"], arrays[name + "/y"] = x.numpy(), y.numpy()


class Fn(nn.Module):
    """A function with the modules it uses."""

    def __init__(self, f, *mods):
        super().__init__()
        self.f, self.mods = f, nn.ModuleList(mods)

    def forward(self, x):
        return self.f(x, *self.mods)


S = nn.Sequential
conv = nn.Conv2d
case("conv_bn_relu6", S(conv(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), nn.Dropout(0.2)), keep_bn=True)
case("conv_bn_folded", S(conv(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()))
case("conv_kinds", S(conv(4, 6, (3, 5), (2, 1), (1, 2), groups=2), conv(6, 12, 3, 1, 2, 2, groups=6), conv(12, 5, 1)), c=4)
case("hardswish_13", S(conv(3, 8, 1), nn.Hardswish()), opset=13)
case("hardswish_14", S(conv(3, 8, 1), nn.Hardswish()), opset=14)
case("hardswish_spelled", Fn(lambda x, c: (lambda y: y * F.relu6(y + 3) / 6)(c(x)), conv(3, 8, 1)))
case("hardswish_slim", Fn(lambda x, c: (lambda y: y * (F.relu6(y + 3) * 0.16667))(c(x)), conv(3, 8, 1)))
case("hardsigmoid_spelled", Fn(lambda x, c: F.relu6(c(x) + 3) * (1 / 6), conv(3, 8, 1)))
case("silu", S(conv(3, 8, 1), nn.SiLU(), conv(8, 4, 1), nn.Sigmoid()))
case("acts", S(conv(3, 6, 1), nn.LeakyReLU(0.1), conv(6, 6, 1), nn.PReLU(6), conv(6, 6, 1), nn.PReLU(), conv(6, 5, 1), nn.Tanh(), nn.Hardtanh(-0.5, 0.75)))
case("acts_9", S(conv(3, 6, 1), nn.ReLU6(), nn.Hardtanh(1, 4)), opset=9)
case("squeeze_excite", Fn(lambda x, c, r, e: (lambda y: y * F.hardsigmoid(e(F.relu(r(F.adaptive_avg_pool2d(y, 1))))))(c(x)), conv(3, 8, 3, 1, 1), conv(8, 4, 1), conv(4, 8, 1)))
case("gate_linear", Fn(lambda x, r, e: x * torch.sigmoid(e(F.relu(r(x.mean([2, 3]))))).view(x.size(0), -1, 1, 1), nn.Linear(8, 4), nn.Linear(4, 8)), c=8)
case("gate_linear_dynamic", Fn(lambda x, r, e: x * torch.sigmoid(e(F.relu(r(x.mean([2, 3]))))).view(x.size(0), x.size(1), 1, 1), nn.Linear(8, 4), nn.Linear(4, 8)), c=8, dynamic="size", n=2)
case("residual", Fn(lambda x, a, b: F.relu(a(x) + b(x)), conv(3, 8, 3, 1, 1), conv(3, 8, 1)))
for op in (9, 11, 13, 17):
    case("head_%d" % op, Fn(lambda x, c, l: F.softmax(l(c(x).mean([2, 3])), 1), conv(3, 8, 3), nn.Linear(8, 5)), opset=op)
case("head_conv", Fn(lambda x, c, l: l(F.adaptive_avg_pool2d(c(x), 1)).flatten(1), conv(3, 8, 3), conv(8, 5, 1)))
case("head_softmax_map", Fn(lambda x, c: F.softmax(c(x), 1), conv(3, 5, 3)))
case("head_nobias", Fn(lambda x, l: l(x.mean([2, 3])), nn.Linear(3, 5, bias=False)))
case("head_bn", Fn(lambda x, l, b, k: k(F.relu(b(l(x.mean([2, 3]))))), nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Linear(6, 4)), keep_bn=True)
case("flatten_map", Fn(lambda x, c, l: l(torch.flatten(c(x), 1)), conv(3, 4, 3, 2), nn.Linear(4 * 4 * 3, 5)))
case("flatten_view", Fn(lambda x, c, l: l(c(x).view(x.size(0), -1)), conv(3, 4, 3, 2), nn.Linear(4 * 4 * 3, 5)), dynamic=True, n=3, fold=False)
case("flatten_permuted", Fn(lambda x, c, l: l(c(x).permute(0, 2, 3, 1).reshape(x.size(0), -1)), conv(3, 4, 3, 2), nn.Linear(4 * 4 * 3, 5)), n=2, dynamic=True)
case("squeezed", Fn(lambda x, l: l(x.mean([2, 3], keepdim=True)).squeeze(), conv(3, 5, 1)))
case("squeezed_axes", Fn(lambda x, l: l(x.mean([2, 3], keepdim=True)).squeeze(3).squeeze(2), conv(3, 5, 1)), opset=11)
case("max_pool", S(conv(3, 4, 1), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 2, ceil_mode=True)), hw=(11, 13))
case("max_pool_ceil", S(nn.MaxPool2d(3, 2, ceil_mode=True)), hw=(10, 8))
case("avg_pool", S(nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AvgPool2d(3, 2, 1, count_include_pad=True), nn.AvgPool2d(2, 2)), hw=(12, 10), opset=9)
case("avg_pool_ceil", S(nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False)), hw=(10, 8), opset=17)
case("avg_pool_all", S(conv(3, 4, 3), nn.AvgPool2d((7, 5)), nn.Flatten(), nn.Linear(4, 3)))
case("pads", S(nn.ZeroPad2d((0, 1, 0, 1)), conv(3, 4, 3, 2), nn.ConstantPad2d((2, 1, 1, 0), 0.5), conv(4, 5, 3)))
case("pads_pool", S(nn.ZeroPad2d((1, 0, 1, 2)), nn.AvgPool2d(3, 2, 0), nn.ZeroPad2d(1), nn.MaxPool2d(3, 1)))
case("pads_9", S(nn.ZeroPad2d((0, 1, 0, 1)), conv(3, 4, 3, 2)), opset=9)
case("arithmetic", Fn(lambda x, c: (1 - c(x) * 2 + torch.tensor([1., 2, 3, 4]).view(1, 4, 1, 1)) / 3 / torch.tensor([1., 2, 3, 4, 5]), conv(3, 4, 1)), hw=(3, 5))
case("shared", Fn(lambda x, c: (lambda y: F.relu(y) + F.relu6(F.relu(y)) + torch.clamp(y, -1, 1) * y)(c(x)), conv(3, 4, 1)))
case("concat", Fn(lambda x, a, b: torch.cat([a(x), b(x), x], 1), conv(3, 4, 1), conv(3, 2, 3, 1, 1)))
case("shuffle", Fn(lambda x, c: (lambda y: y.view(y.size(0), 2, 3, y.size(2), y.size(3)).transpose(1, 2).reshape(y.size(0), 6, y.size(2), y.size(3)))(c(x)), conv(3, 6, 1)), n=2, dynamic="size", fold=False)
case("up_bilinear", Fn(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)))
case("up_corners", Fn(lambda x: F.interpolate(x, size=(20, 15), mode="bilinear", align_corners=True)))
case("up_nearest", Fn(lambda x: F.interpolate(x, scale_factor=3, mode="nearest")))
case("up_nearest_9", Fn(lambda x: F.interpolate(x, scale_factor=2, mode="nearest")), opset=9)
case("up_like", Fn(lambda x, c: F.interpolate(c(x), size=x.shape[2:], mode="bilinear", align_corners=False), conv(3, 4, 3, 2, 1)), dynamic="size", fold=False)
case("gap_max", Fn(lambda x, l: l(F.adaptive_max_pool2d(x, 1)).flatten(1), conv(3, 4, 1)))
case("two_outputs", Fn(lambda x, c: F.relu(c(x)), conv(3, 4, 3)))

# What PyTorch does not export: graphs written by hand, with PyTorch's answer.


def hand(name, nodes, init, y, x, opset=13, shape=None):
    g = h.make_graph(nodes, name, [h.make_tensor_value_info("x", T.FLOAT, shape or list(x.shape))], [h.make_tensor_value_info("y", T.FLOAT, list(y.shape))],
                     [nh.from_array(np.ascontiguousarray(a), k) for k, a in init.items()])
    m = h.make_model(g, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(m)
    onnx.save(m, os.path.join(here, name + ".onnx"))
    arrays[name + "/x"], arrays[name + "/y"] = np.asarray(x), np.asarray(y)


w = torch.randn(4, 3, 3, 3)
x = torch.randn(1, 3, 8, 7)
for mode, pad in [("SAME_UPPER", (1, 1, 0, 1)), ("SAME_LOWER", (1, 1, 1, 0)), ("VALID", (0, 0, 0, 0))]:
    hand("auto_" + mode.lower(), [h.make_node("Conv", ["x", "w"], ["y"], auto_pad=mode, strides=[2, 2])], {"w": w.numpy()}, F.conv2d(F.pad(x, pad), w, None, 2).numpy(), x.numpy())
# An input in the other layout, transposed at once, and back at the end.
hand("nhwc", [h.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), h.make_node("Conv", ["t", "w"], ["c"]), h.make_node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1])],
     {"w": w.numpy()}, F.conv2d(x, w).permute(0, 2, 3, 1).numpy(), x.permute(0, 2, 3, 1).numpy())
v = torch.randn(3, 5)
b = torch.randn(5)
hand("gemm_scaled", [h.make_node("GlobalAveragePool", ["x"], ["p"]), h.make_node("Flatten", ["p"], ["f"]), h.make_node("Gemm", ["f", "v", "b"], ["y"], alpha=0.5, beta=2.0)],
     {"v": v.numpy(), "b": b.numpy()}, (0.5 * x.mean([2, 3]) @ v + 2 * b).numpy(), x.numpy())
hand("matmul_add", [h.make_node("ReduceMean", ["x"], ["p"], axes=[2, 3], keepdims=0), h.make_node("MatMul", ["p", "v"], ["m"]), h.make_node("Add", ["b", "m"], ["y"])],
     {"v": v.numpy(), "b": b.numpy()}, (x.mean([2, 3]) @ v + b).numpy(), x.numpy())
hand("half_weights", [h.make_node("Cast", ["w16"], ["w"], to=T.FLOAT), h.make_node("Conv", ["x", "w"], ["y"])], {"w16": w.half().numpy()}, F.conv2d(x, w.half().float()).numpy(), x.numpy())
hand("min_max", [h.make_node("Max", ["x", "lo"], ["a"]), h.make_node("Min", ["hi", "a"], ["y"])], {"lo": np.float32(-0.5), "hi": np.float32([0.25])}, x.clamp(-0.5, 0.25).numpy(), x.numpy())
hand("hard_sigmoid", [h.make_node("HardSigmoid", ["x"], ["y"])], {}, (0.2 * x + 0.5).clamp(0, 1).numpy(), x.numpy())
np.savez(os.path.join(here, "cases.npz"), **{k.replace("/", "."): a for k, a in arrays.items()})
