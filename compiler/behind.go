package compiler

// behind finds the steps that take the columns of a matrix as the product before them
// makes these: what is written and read again is then in the first cache, and not the rows
// of a whole task in the second.
func (l *lowering) behind() {
	for i := range l.p.Phases {
		for j := range l.p.Phases[i].Groups {
			steps := l.p.Phases[i].Groups[j].Steps
			for k := 1; k < len(steps); k++ {
				s := &l.p.Steps[steps[k]]
				s.Behind = l.p.MayFollow(&l.p.Steps[steps[k-1]], s)
			}
		}
	}
}
