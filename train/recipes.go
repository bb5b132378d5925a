package train

import "github.com/mobilenet-go/mobilenet/transform"

// recipes lists the named recipes. Ours come first; the published ones say in
// Notes what was not published or is meant for other hardware.
func recipes() []Recipe {
	return append(ownRecipes(), publishedRecipes()...)
}

func ptr(v float64) *float64 { return &v }

func augment(spec string) transform.Augment {
	a, err := transform.ParseAugment(spec)
	if err != nil {
		panic("train: the recipes' own table: " + err.Error())
	}
	return a
}

func ownRecipes() []Recipe {
	return []Recipe{
		{
			Name: "finetune", Notes: "for a folder of pictures and published weights: the default with --from",
			Epochs: 12, Batch: 32, Rate: 0.005, RateBatch: 32, Schedule: Schedule{Curve: Cosine, Warmup: 0.5},
			Optimizer: Optimizer{Kind: SGD, Momentum: 0.9, Nesterov: true}, WeightDecay: 4e-5,
			LabelSmoothing: 0.1, EMA: 0.98, BNMomentum: 0.9, Clip: 5, Augment: augment("light"),
		},
		{
			Name: "scratch", Notes: "from nothing on thousands of pictures: the default without --from",
			Epochs: 60, Batch: 64, Rate: 0.1, RateBatch: 64, Schedule: Schedule{Curve: Cosine, Warmup: 2},
			Optimizer: Optimizer{Kind: SGD, Momentum: 0.9, Nesterov: true}, WeightDecay: 5e-5,
			LabelSmoothing: 0.1, EMA: 0.999, BNMomentum: 0.95, Clip: 5, Augment: augment("inception"),
		},
		{
			Name: "scratch_small", Notes: "from nothing on pictures of about 64 pixels",
			Epochs: 60, Batch: 64, Rate: 0.1, RateBatch: 64, Schedule: Schedule{Curve: Cosine, Warmup: 2},
			Optimizer: Optimizer{Kind: SGD, Momentum: 0.9, Nesterov: true}, WeightDecay: 5e-5,
			LabelSmoothing: 0.1, EMA: 0.995, BNMomentum: 0.95, Clip: 5, Augment: augment("small"),
		},
	}
}

// publishedRecipes are the papers' and the implementations' own.
func publishedRecipes() []Recipe {
	rms := Optimizer{Kind: RMSprop, Rho: 0.9, Momentum: 0.9, Epsilon: 1}
	return []Recipe{
		{
			Name: "v1_paper", Source: "arXiv 1704.04861, section 3.2; rate, batch and epochs from research/slim/nets/mobilenet_v1_train.py",
			Notes:  "asynchronous RMSprop in the paper; little or no weight decay on depthwise filters; less augmentation for smaller networks",
			Epochs: 100, Batch: 64, Rate: 0.045, Schedule: Schedule{Curve: Step, Every: 2.5, Rate: 0.94},
			Optimizer: rms, WeightDecay: 4e-5, BNMomentum: 0.9997, Dropout: ptr(0.001), Augment: augment("slim"),
		},
		{
			Name: "v1_slim", Source: "research/slim/nets/mobilenet_v1_train.py",
			Notes:  "plain gradient descent; epochs are not given",
			Epochs: 100, Batch: 64, Rate: 0.045, Schedule: Schedule{Curve: Step, Every: 2.5, Rate: 0.94},
			Optimizer: Optimizer{Kind: SGD}, WeightDecay: 4e-5, BNMomentum: 0.9997, Dropout: ptr(0.001), Augment: augment("slim"),
		},
		{
			Name: "v2_paper", Source: "arXiv 1801.04381, section 6.1",
			Notes:  "16 asynchronous workers with a batch of 96 each; epochs are not given",
			Epochs: 300, Batch: 96, Rate: 0.045, Schedule: Schedule{Curve: Step, Every: 1, Rate: 0.98},
			Optimizer: rms, WeightDecay: 4e-5, Decay: decayKinds, BNMomentum: 0.997, Augment: augment("slim"),
		},
		{
			Name: "v2_slim", Source: "research/slim/nets/mobilenet/README.md and mobilenet.py",
			Notes:  "rate for one worker of eight; 72.0 % after about 700,000 steps on 8 GPUs",
			Epochs: 420, Batch: 96, Rate: 0.045, Schedule: Schedule{Curve: Step, Every: 2.5, Rate: 0.98},
			Optimizer: rms, WeightDecay: 4e-5, LabelSmoothing: 0.1, EMA: 0.9999, BNMomentum: 0.997, Dropout: ptr(0.2), Augment: augment("slim"),
		},
		{
			Name: "v3_paper", Source: "arXiv 1905.02244, section 6.1.1",
			Notes:  "synchronous on a 4x4 TPU pod; the printed dropout of 0.8 is the part kept; the rate decays by 0.01 every 3 epochs; epochs are not given",
			Epochs: 500, Batch: 4096, Rate: 0.1, Schedule: Schedule{Curve: Step, Every: 3, Rate: 0.99},
			Optimizer: rms, WeightDecay: 1e-5, Decay: decayKinds, EMA: 0.9999, BNMomentum: 0.99, Dropout: ptr(0.2), Augment: augment("slim"),
		},
		{
			Name: "v3_slim", Source: "research/slim/nets/mobilenet/README.md",
			Notes:  "0.16 for eight clones of 0.02 each with 192 pictures; 74.6 % on 8 GPUs",
			Epochs: 600, Batch: 1536, Rate: 0.16, RateBatch: 1536, Schedule: Schedule{Curve: Step, Every: 3, Rate: 0.99, Warmup: 5},
			Optimizer: Optimizer{Kind: RMSprop, Rho: 0.9, Momentum: 0.9, Epsilon: 0.002}, WeightDecay: 1e-5,
			LabelSmoothing: 0.1, EMA: 0.9999, BNMomentum: 0.997, Dropout: ptr(0.2), Augment: augment("slim"),
		},
		{
			Name: "mnasnet_paper", Source: "arXiv 1807.11626, section 5.1",
			Notes:  "epochs from the published TPU configuration's 437,898 steps of 1024 pictures",
			Epochs: 350, Batch: 4096, Rate: 0.256, Schedule: Schedule{Curve: Step, Every: 2.4, Rate: 0.97, Warmup: 5},
			Optimizer: rms, WeightDecay: 1e-5, LabelSmoothing: 0.1, EMA: 0.9999, BNMomentum: 0.99, Dropout: ptr(0.2), Augment: augment("inception"),
		},
		{
			Name: "torchvision_v2", Source: "torchvision references/classification, weights IMAGENET1K_V1, 71.878 %",
			Notes:  "8 GPUs of 32 pictures each",
			Epochs: 300, Batch: 256, Rate: 0.045, Schedule: Schedule{Curve: Step, Every: 1, Rate: 0.98},
			Optimizer: Optimizer{Kind: SGD, Momentum: 0.9}, WeightDecay: 4e-5, Decay: decayKinds, Augment: augment("inception"),
		},
		{
			Name: "torchvision_v2_new", Source: "torchvision pull request 5560, weights IMAGENET1K_V2, 72.154 %",
			Notes:  "8 GPUs of 128 pictures each; repeated augmentation (4) is not applied; trained at 176, resized to 232 and cropped to 224 for validation",
			Epochs: 600, Batch: 1024, Rate: 0.5, Schedule: Schedule{Curve: Cosine, Warmup: 5, WarmupFrom: 0.01},
			Optimizer: Optimizer{Kind: SGD, Momentum: 0.9}, WeightDecay: 2e-5, Decay: []string{"depthwise", "bias"},
			LabelSmoothing: 0.1, EMA: 0.99998, Resolution: 176, Augment: augment("trivial,erase=0.1,mixup=0.2,cutmix=1"),
		},
		{
			Name: "torchvision_v3", Source: "torchvision references/classification README, pull request 3354: 74.042 % (large), 67.668 % (small)",
			Notes:  "8 GPUs of 128 pictures each; PyTorch's RMSprop has epsilon outside the root; AutoAugment's ImageNet policy is replaced by RandAugment; the published weights average three checkpoints",
			Epochs: 600, Batch: 1024, Rate: 0.064, Schedule: Schedule{Curve: Step, Every: 2, Rate: 0.973},
			Optimizer: Optimizer{Kind: RMSprop, Rho: 0.9, Momentum: 0.9, Epsilon: 0.0316}, WeightDecay: 1e-5, Decay: decayKinds,
			Augment: augment("randaugment,erase=0.2"),
		},
		{
			Name: "timm_v3_large", Source: "timm training commands, mobilenetv3_large_100, 75.766 %",
			Notes:  "2 GPUs of 512 pictures each; noise on the rate is not applied",
			Epochs: 600, Batch: 1024, Rate: 0.064, Schedule: Schedule{Curve: Step, Every: 2.4, Rate: 0.973, Warmup: 3, WarmupFrom: 1e-6 / 0.064},
			Optimizer: Optimizer{Kind: RMSprop, Rho: 0.9, Momentum: 0.9, Epsilon: 1e-3}, WeightDecay: 1e-5, Decay: []string{"depthwise"},
			EMA: 0.9999, Dropout: ptr(0.2), DropPath: 0.2, Augment: augment("randaugment,erase=0.2"),
		},
		{
			Name: "v3_cosine", Source: "github.com/d-li14/mobilenetv3.pytorch, README",
			Notes:  "label smoothing for the large network only; dropout 0.1 for small 0.75",
			Epochs: 150, Batch: 1024, Rate: 0.4, Schedule: Schedule{Curve: Cosine, Warmup: 5, WarmupFrom: 0.25},
			Optimizer: Optimizer{Kind: SGD, Momentum: 0.9}, WeightDecay: 4e-5, Decay: []string{"depthwise"},
			LabelSmoothing: 0.1, Dropout: ptr(0.2), Augment: augment("inception"),
		},
	}
}
