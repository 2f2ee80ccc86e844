package train

import (
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// frozen returns the parameters that Options.Freeze names, and the running statistics: these
// stay as they are then, and their layer is as it ships.
//
// Errors: a pattern that is malformed or matches nothing; patterns that leave
// nothing to train.
func (o *Options) frozen(m *spec.Model) (map[string]bool, error) {
	params, trained := m.Params(), 0
	if len(o.Freeze) == 0 {
		return nil, nil
	}
	var errs []error
	set := map[string]bool{}
	for _, pattern := range o.Freeze {
		if err := optim.CheckPattern(pattern); err != nil {
			errs = append(errs, fmt.Errorf("train: Options.Freeze: %q: %w", pattern, err))
			continue
		}
		hit := false
		for _, p := range params {
			if optim.Match(pattern, p.Name) {
				set[p.Name], hit = true, true
			}
		}
		for _, s := range m.States() {
			if s.Running() && optim.Match(pattern, s.Name) {
				set[s.Name], hit = true, true
			}
		}
		if !hit {
			errs = append(errs, fmt.Errorf("train: Options.Freeze: %q matches no parameter; they are named by layer as in Model.Summary, such as %q", pattern, example(params)))
		}
	}
	for _, p := range params {
		if !set[p.Name] {
			trained++
		}
	}
	if len(errs) == 0 && trained == 0 {
		errs = append(errs, fmt.Errorf("train: Options.Freeze: %q match all %d parameters, so nothing is left to train", o.Freeze, len(params)))
	}
	return set, errors.Join(errs...)
}

func example(params []spec.Param) string {
	if len(params) == 0 {
		return ""
	}
	return params[0].Name
}

// slots returns the names of what the optimizer keeps for a parameter: nothing
// for a frozen one.
func (t *Trainer) slots(param string) []string {
	if t.frozen[param] {
		return nil
	}
	return t.opt.Optimizer.Slots()
}
