package train

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/exec"
)

// choosePrecision plans what the machine can do of what was asked for.
func (p *Plan) choosePrecision(c *Config) {
	used := exec.Precision(c.Precision).Resolve(c.Kernels)
	switch {
	case used.FellBack():
		p.because("precision: fp32 instead of %s: %s", used.Asked, used.Why)
	case used.Precision != exec.FP32:
		p.Precision = string(used.Precision)
		p.because("precision: %s, weights in float32", used)
	}
}

// checkPrecision reports a stored plan that is asked to go on in another
// arithmetic, or cannot go on in its own here.
func (p *Plan) checkPrecision(c *Config) error {
	own := exec.FP32
	if p.Precision != "" {
		own = exec.Precision(p.Precision)
	}
	if c.Precision != "" && exec.Precision(c.Precision) != own {
		return fmt.Errorf("train: Precision is %s, the run began in %s: a run is resumed as it was planned", c.Precision, own)
	}
	if err := own.CheckPrecision(); err != nil {
		return fmt.Errorf("train: %s: %w", PlanFile, err)
	}
	if used := own.Resolve(c.Kernels); used.FellBack() {
		return fmt.Errorf("train: the run began in %s, which cannot be continued here: %s", own, used.Why)
	}
	return nil
}
