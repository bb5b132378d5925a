package main

// trainNEON are the routines of training declared for Go.
func trainNEON() (all []function) {
	for _, k := range append(updateKinds, nesterovStep) {
		all = append(all, function{k.name + "NEON", updateBlock.name, k.name + "NEON " + k.doc})
	}
	return append(all, function{"linearNEON", linearBlock.name, "linearNEON computes p*x + (q*b + r*c)."})
}
