package optim

// Decays reports whether the update of a weight depends on [Step].Decay. Without it, parameters that are neighbours in
// memory may be updated in one call.
func (o *AdamOptimizer) Decays() bool { return o.l2 != 0 }

// Decays is as [AdamOptimizer.Decays].
func (o *AdamWOptimizer) Decays() bool { return o.decay != 0 }

// Decays is as [AdamOptimizer.Decays].
func (o *SGDOptimizer) Decays() bool { return o.l2 != 0 }

// Decays is as [AdamOptimizer.Decays].
func (o *RMSPropOptimizer) Decays() bool { return o.l2 != 0 }
