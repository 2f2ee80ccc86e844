package engine

// make returns a kernel and its name, or nil when it does not do this step.
type makeKernel func(b *binding) (kernel, string)

// maker returns the fast form of an op, or nil. An op that is not here is run by
// its reference meaning.
func maker(op string) makeKernel {
	switch op {
	}
	return nil
}
