package main

// trainNEON are the routines of training declared for Go.
func trainNEON() (all []function) {
	for _, k := range updateKinds {
		all = append(all, function{k.name + "NEON", updateBlock.name, k.name + "NEON " + k.doc})
	}
	for _, k := range normKinds {
		all = append(all, function{k.name + "NEON", normBlock.name, k.name + "NEON " + k.doc})
	}
	return append(all,
		function{"mapSlopeNEON", elemBlock.name, "mapSlopeNEON computes b*act'(x) of n elements."},
		function{"outerNEON", outerBlock.name, "outerNEON adds the outer products of some pixels to sums."},
		function{"dwTapsNEON", tapsBlock.name, "dwTapsNEON computes outputs from small windows, channel by channel."},
		function{"dwGradTapsNEON", gradTapsBlock.name, "dwGradTapsNEON adds to the sums of some taps."},
		function{"linearNEON", linearBlock.name, "linearNEON computes p*x + (q*b + r*c)."},
		function{"nesterovNEON", linearBlock.name, "nesterovNEON computes x - r*(b + p*x + q*c)."})
}
