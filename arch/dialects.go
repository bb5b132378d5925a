package arch

// The dialects. Each is one complete literal, read from the code named in
// Source; a family that an implementation never published has the rules of its
// nearest relative there.

func torchvision() Dialect {
	return Dialect{
		Name:          "torchvision",
		Source:        "pytorch/vision: models/mobilenetv2.py, mobilenetv3.py, mnasnet.py",
		Classes:       1000,
		HSigmoid:      HSigmoid,
		UnexpandedAct: "",
		Dilating:      DilateAt,
		V1: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0.001,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeFloorDivisible, HeadConv: Scaled, HeadFC: Scaled,
		},
		V2: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeFloorDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V3: Rules{
			Padding: Symmetric, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandAbsolute, Squeeze: SqueezeFloorDivisible, HeadConv: FromLast, HeadFC: Scaled,
		},
		EdgeTPU: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeFloorDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		MnasNet: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9997, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeFloorDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
	}
}

func timm() Dialect {
	return Dialect{
		Name:          "timm",
		Source:        "huggingface/pytorch-image-models: timm/models/mobilenetv3.py, efficientnet.py",
		Classes:       1000,
		HSigmoid:      HSigmoid,
		UnexpandedAct: "",
		Dilating:      DilateAfter,
		V1: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V2: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V3: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0,
			Width: Divisible8, Stem: FixedBelow075, Expansion: ExpandDigits, Squeeze: SqueezeDivisible, HeadConv: Scaled, HeadFC: Fixed,
		},
		EdgeTPU: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
		MnasNet: Rules{
			Padding: Symmetric, Epsilon: 1e-5, Momentum: 0.9, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
	}
}

func timmTF() Dialect {
	return Dialect{
		Name:          "timm_tf",
		Source:        "huggingface/pytorch-image-models: the tf_* models",
		Classes:       1000,
		HSigmoid:      HSigmoid,
		UnexpandedAct: "",
		Dilating:      DilateAfter,
		V1: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V2: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V3: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0,
			Width: Divisible8, Stem: FixedBelow075, Expansion: ExpandDigits, Squeeze: SqueezeDivisible, HeadConv: Scaled, HeadFC: Fixed,
		},
		EdgeTPU: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
		MnasNet: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
	}
}

func keras() Dialect {
	return Dialect{
		Name:          "keras",
		Source:        "keras-team/keras: applications/mobilenet.py, mobilenet_v2.py, mobilenet_v3.py",
		Classes:       1000,
		HSigmoid:      HSigmoid,
		UnexpandedAct: Linear,
		Dilating:      DilateAfter,
		V1: Rules{
			Padding: SameCorner, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0.001,
			Width: Trunc, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeDivisible, HeadConv: Scaled, HeadFC: Scaled,
		},
		V2: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.999, Dropout: 0,
			Width: TruncDivisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V3: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.999, Dropout: 0.2,
			Width: Divisible8, Stem: Fixed, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: FromLast, HeadFC: ScaledUp,
		},
		EdgeTPU: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.999, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		MnasNet: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
	}
}

// slim follows TF-slim as its checkpoints were trained: V2 and EdgeTPU keep
// the full head below width 1, V3 shrinks it.
func slim() Dialect {
	return Dialect{
		Name:          "slim",
		Source:        "tensorflow/models: research/slim/nets; V3 without finegrain_classification_mode",
		Classes:       1001,
		HSigmoid:      HSigmoidBy(0.16667),
		UnexpandedAct: Linear,
		Dilating:      DilateAfter,
		V1: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.9997, Dropout: 0.001,
			Width: TruncMin8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Scaled, HeadFC: Scaled,
		},
		V2: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.997, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V3: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.997, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Scaled, HeadFC: Scaled,
		},
		EdgeTPU: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.997, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
		MnasNet: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
	}
}

func slimFinegrain() Dialect {
	return Dialect{
		Name:          "slim_finegrain",
		Source:        "tensorflow/models: research/slim/nets with finegrain_classification_mode",
		Classes:       1001,
		HSigmoid:      HSigmoidBy(0.16667),
		UnexpandedAct: Linear,
		Dilating:      DilateAfter,
		V1: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.9997, Dropout: 0.001,
			Width: TruncMin8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Scaled, HeadFC: Scaled,
		},
		V2: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.997, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: ScaledUp, HeadFC: ScaledUp,
		},
		V3: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.997, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Scaled, HeadFC: Fixed,
		},
		EdgeTPU: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.997, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandDivisible, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
		MnasNet: Rules{
			Padding: Same, Epsilon: 1e-3, Momentum: 0.99, Dropout: 0.2,
			Width: Divisible8, Stem: Scaled, Expansion: ExpandPlain, Squeeze: SqueezeDivisible, HeadConv: Fixed, HeadFC: Fixed,
		},
	}
}
