package graph

import "errors"

var errLeaf = errors.New("made by its own Add method, not by Add")

// Input is a value given at each run.
type Input struct{}

func (Input) Kind() string               { return "input" }
func (Input) Infer([]Type) (Type, error) { return Type{}, errLeaf }
func (Input) Cost([]Type, Type) Cost     { return Cost{} }

// Role says what a variable is, for counting parameters and for training.
type Role uint8

const (
	// Weight is a convolution or linear weight: trained, decayed.
	Weight Role = iota
	// Bias is an additive vector after a convolution.
	Bias
	// Gamma and Beta are the trained scale and offset of a batch norm.
	Gamma
	Beta
	// Mean and Var are batch-norm statistics: kept by averaging, not trained.
	Mean
	Var
	// Slot is an optimizer's state: a velocity, a mean square, an accumulator.
	Slot
	// Average is a moving average of a trained variable.
	Average
	// Counter counts steps.
	Counter
	// Range is the least and the greatest element that a value takes, kept by
	// averaging, for FakeQuant.
	Range
)

// Trained reports whether gradient descent changes the variable. Statistics
// are not counted as parameters.
func (r Role) Trained() bool { return r <= Beta }

// Norm reports whether the variable belongs to a batch norm.
func (r Role) Norm() bool { return r >= Gamma && r <= Var }

// Variable is a named weight or statistic that belongs to the model.
type Variable struct{ Role Role }

func (Variable) Kind() string               { return "variable" }
func (Variable) Infer([]Type) (Type, error) { return Type{}, errLeaf }
func (Variable) Cost([]Type, Type) Cost     { return Cost{} }

// Constant is a fixed array.
type Constant struct{}

func (Constant) Kind() string               { return "constant" }
func (Constant) Infer([]Type) (Type, error) { return Type{}, errLeaf }
func (Constant) Cost([]Type, Type) Cost     { return Cost{} }
