package train

// Epoch is what a training tells of one epoch: the row of results.csv, a
// record of log.jsonl, and the points of the curves.
type Epoch struct {
	// Epoch counts from 1; a training that stops within an epoch reports the
	// part of it that was done.
	Epoch float64 `json:"epoch"`
	// Stage is the part of the plan: "head" for the classifier on cached
	// features, "train" for everything else.
	Stage string `json:"stage"`
	// Step is the number of optimizer steps so far.
	Step int64 `json:"step"`
	// Loss and Top1 are means over the training pictures as they were seen,
	// augmented; the top-1 counts the largest of mixed labels.
	Loss float64 `json:"loss"`
	Top1 float64 `json:"top1"`
	// ValLoss, ValTop1 and ValTop5 are of the validation part with the
	// averaged weights, if there is an average.
	ValLoss float64 `json:"val_loss"`
	ValTop1 float64 `json:"val_top1"`
	ValTop5 float64 `json:"val_top5"`
	// Rate is the learning rate of the last step.
	Rate float64 `json:"rate"`
	// ImagesPerSecond is training's speed, validation apart; Seconds is the
	// whole time since the training began, earlier sittings included.
	ImagesPerSecond float64 `json:"images_per_s"`
	Seconds         float64 `json:"seconds"`
	// Best reports that the weights of this epoch are the best so far.
	Best bool `json:"best"`
}
