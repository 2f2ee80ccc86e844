package engine

// Draw returns the same function with other random numbers, for a graph with ops that draw, such as the mask of a Dropout
// (train.Result.Drawing): those of the given update of a training with this seed. Row i of a call has the numbers of row i of
// the update, and in Each and Over so has row i of the source. So a result depends on the place of its row too, but not on the
// number of processors. A graph that draws nothing gives what it always gives.
//
// A mistake of n is kept in what is returned.
func (n *Net) Draw(seed, update uint64) *Net {
	if err := n.Err(); err != nil {
		return ErrNet(err)
	}
	d := &Net{g: n.g, p: n.p, s: n.s, rec: n.rec, kernels: n.kernels, mixes: n.mixes, inputs: n.inputs, given: n.given, draws: &Update{Seed: seed, Step: update}}
	if err := d.open(); err != nil {
		return ErrNet(err)
	}
	return d
}
