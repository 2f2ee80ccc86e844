package engine

import "fmt"

// Estimate is how good a function is expected to be on rows that no training of it saw, as
// it was measured on others that were trained in the same way.
type Estimate struct {
	Metric   string  `json:"metric"`   // such as "error", the share of the rows that are predicted wrongly
	Mean     float64 `json:"mean"`     // over the draws
	Low      float64 `json:"low"`      // the lower end of its interval of 95 %
	High     float64 `json:"high"`     // the upper one
	Measured string  `json:"measured"` // on what: "test rows" or "cross-validation"
	Labels   int     `json:"labels"`   // that those had which were measured
	Draws    int     `json:"draws"`
	Folds    int     `json:"folds,omitempty"` // of the cross-validation
	Among    int     `json:"among,omitempty"` // ways that it was the best of by these draws, which makes Mean a little too good
}

// String says the estimate in a line.
func (e Estimate) String() string {
	return fmt.Sprintf("%s %.4g (%.4g to %.4g) by %s with %d labels, %d draws", e.Metric, e.Mean, e.Low, e.High, e.Measured, e.Labels, e.Draws)
}

// Expected returns the same function with an estimate in its record, which ships. Errors are
// kept in the Net.
func (n *Net) Expected(e Estimate) *Net {
	if err := n.Err(); err != nil {
		return ErrNet(err)
	}
	rec := n.rec
	rec.Estimate = &e
	out, err := NewNet(n.g, n.p, n.Params(), rec, n.kernels...)
	if err != nil {
		return ErrNet(err)
	}
	return out
}
