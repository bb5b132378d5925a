package arch

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Act names an activation function by the token that spec strings use for it.
// The empty Act means "what the table says".
type Act string

// The activations of the family. LeakyReLU and HSigmoidBy make the ones with
// a constant.
const (
	Linear   Act = "li" // x
	ReLU     Act = "re" // max(x, 0)
	ReLU6    Act = "r6" // min(max(x, 0), 6)
	HSwish   Act = "hs" // x * relu6(x+3) / 6
	Swish    Act = "sw" // x * sigmoid(x)
	Sigmoid  Act = "sg" // 1 / (1 + exp(-x))
	HSigmoid Act = "hg" // relu6(x+3) / 6
	GELU     Act = "ge" // x * Phi(x)
)

// LeakyReLU is x for positive x and slope*x below zero.
func LeakyReLU(slope float32) Act { return Act("lr" + formatFloat(float64(slope), 32)) }

// HSigmoidBy is relu6(x+3) * factor: TF-slim writes 0.16667 for 1/6.
func HSigmoidBy(factor float32) Act { return Act("hg" + formatFloat(float64(factor), 32)) }

func formatFloat(v float64, bits int) string { return strconv.FormatFloat(v, 'g', -1, bits) }

// op is the graph's form of the activation.
func (a Act) op() (graph.Act, error) {
	switch a {
	case Linear:
		return graph.ActNone, nil
	case ReLU:
		return graph.ActReLU, nil
	case ReLU6:
		return graph.ActReLU6, nil
	case HSwish:
		return graph.ActHSwish, nil
	case Swish:
		return graph.ActSwish, nil
	case Sigmoid:
		return graph.ActSigmoid, nil
	case HSigmoid:
		return graph.ActHSigmoid, nil
	case GELU:
		return graph.Act{Kind: graph.GELU}, nil
	}
	if s, ok := strings.CutPrefix(string(a), "lr"); ok {
		if v, ok := constant(s); ok {
			return graph.ActLeakyReLU(v), nil
		}
	}
	if s, ok := strings.CutPrefix(string(a), "hg"); ok {
		if v, ok := constant(s); ok {
			return graph.Act{Kind: graph.HSigmoid, A: v}, nil
		}
	}
	return graph.Act{}, fmt.Errorf("unknown activation %q: use li, re, r6, hs, sw, sg, hg, ge or lrSLOPE, as lr0.1", string(a))
}

// canonical is the one way in which the activation is written, so that equal
// activations are equal strings.
func (a Act) canonical() (Act, error) {
	op, err := a.op()
	switch {
	case err != nil:
		return "", err
	case op.Kind == graph.LeakyReLU:
		return LeakyReLU(op.A), nil
	case op.Kind == graph.HSigmoid && a != HSigmoid:
		return HSigmoidBy(op.A), nil
	}
	return a, nil
}

func constant(s string) (float32, bool) {
	v, err := strconv.ParseFloat(s, 32)
	if err != nil || math.IsNaN(v) || v < 0 || v > 1000 || len(s) > 32 || strings.ContainsAny(s, "xX_") {
		return 0, false
	}
	return float32(v) + 0, true
}
