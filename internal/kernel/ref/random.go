package ref

// RandomArgs is a mask of Len elements: 0 with probability Rate, 1/(1-Rate)
// otherwise, by a hash of Seed (two whole numbers below 2^24), Step (one),
// Stream and the element's index.
type RandomArgs[T Float] struct {
	Len           int
	Rate          float64
	Stream        uint32
	Seed, Step, Y []T
}

// Random draws every element.
func Random[T Float](a *RandomArgs[T]) {
	key := RandomKey(uint64(a.Seed[0]), uint64(a.Seed[1]), uint64(a.Step[0]), a.Stream)
	for i := range a.Len {
		a.Y[i] = 0
		if RandomKeep(key, i, a.Rate) {
			a.Y[i] = T(1 / (1 - a.Rate))
		}
	}
}

// RandomKey mixes what the elements of a mask have in common.
func RandomKey(seed0, seed1, step uint64, stream uint32) uint64 {
	return mix(mix(seed0<<24|seed1) ^ mix(step<<32|uint64(stream)))
}

// RandomKeep reports whether element i of a mask is kept: 53 bits of a hash
// are compared with the rate.
func RandomKeep(key uint64, i int, rate float64) bool {
	return float64(mix(key+uint64(i))>>11)*(1.0/(1<<53)) >= rate
}

// mix is SplitMix64's step.
func mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
