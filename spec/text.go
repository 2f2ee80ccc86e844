package spec

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// Text returns the model's text form together with what else a training needs: the
// initial value of each parameter and state variable, and which values an input accepts.
// [Parse] reads it back.
//
//	lamina 2
//	mlp (f32[N 784] x, i64[N] y = "0 to 9") => (loss, loss/crossentropy1)
//	    <f32[784 10] dense1/w = Glorot, f32[10] dense1/b = Zeros> { … }
//
// Errors: the mistakes of the declaration; an initializer or a schedule that is not one
// of Lamina's own, since text cannot express it.
func (m *Model) Text() (string, error) {
	if err := m.Err(); err != nil {
		return "", err
	}
	notes := map[string]string{}
	limits, cards, optional := m.Limits(), m.Cardinalities(), m.OptionalInputs()
	for _, name := range m.weigh {
		notes[name] = notBelow
	}
	for _, name := range m.unit { // which says more
		notes[name] = between(1)
	}
	for _, in := range m.graph.Inputs {
		absent := slices.Contains(optional, in.Name)
		if n, ok := limits[in.Name]; ok {
			each := cards[in.Name]
			if each == nil {
				each = []int{n}
			}
			var columns []string
			for _, n := range each {
				columns = append(columns, between(n-1))
				if absent {
					columns[len(columns)-1] = fmt.Sprintf("-1 to %d", n-1)
				}
			}
			notes[in.Name] = strings.Join(columns, ", ")
		} else if absent {
			notes[in.Name] = cmp.Or(notes[in.Name], anyNumber) + orNone
		}
	}
	var errs []error
	note := func(name, begins string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", name, err))
		}
		notes[name] = begins
	}
	for _, p := range m.params {
		s, err := p.begins()
		note(p.Name, s, err)
	}
	for _, st := range m.states {
		if _, ok := st.Fitted(); ok {
			notes[st.Name] = st.fitText(m.kept)
			continue
		}
		s, err := st.begins()
		note(st.Name, s, err)
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return ir.FormatNoted(m.graph, func(v *ir.Value) string { return notes[v.Name] }), nil
}

// What is said of an input of weights, and of one whose numbers may be missing.
const (
	notBelow  = "0 or more"
	anyNumber = "any"
	orNone    = " or none"
)

// between says that values are from 0 to n.
func between(n int) string { return fmt.Sprintf("0 to %d", n) }

// begins says how a parameter begins.
func (p Param) begins() (string, error) {
	if of, ok := p.Like(); ok {
		s, err := of.begins()
		turned := ""
		if p.id.turned {
			turned = ", transposed"
		}
		return fmt.Sprintf("like(%s, %s%s)", of.Name, s, turned), err
	}
	return initText(p.Init)
}

// begins says how a state variable begins.
func (s State) begins() (string, error) {
	if value, plan, ok := s.Scheduled(); ok {
		d, ok := plan.(interface{ Describe() any })
		if !ok {
			return "", fmt.Errorf("its schedule is a %T, which is not one of Lamina's own, so text cannot express it", plan)
		}
		b, err := json.Marshal(d.Describe())
		if err == nil {
			_, err = optim.ParseSchedule(b)
		}
		return fmt.Sprintf("scheduled(%s, %s)", strconv.FormatFloat(value, 'g', -1, 64), b), err
	}
	if p, ok := s.Like(); ok {
		b, err := p.begins()
		return fmt.Sprintf("like(%s, %s)", p.Name, b), err
	}
	text, err := initText(s.Init)
	if s.Running() {
		text = "running(" + text + ")"
	}
	return text, err
}

// initText returns the name of an initializer that parseInit reads.
func initText(i Init) (string, error) {
	name := i.Name()
	if known, ok := parseInit(name); !ok || known != i {
		return "", fmt.Errorf("its initializer is %s, a %T, which is not one of Lamina's own, so text cannot express it", name, i)
	}
	return name, nil
}

// parseInit returns the initializer of a name.
func parseInit(name string) (Init, bool) {
	for _, i := range []Init{Glorot(), GlorotNormal(), He(), LeCun(), Orthogonal(), Zeros()} {
		if i.Name() == name {
			return i, true
		}
	}
	if s, ok := strings.CutPrefix(name, "Constant("); ok && strings.HasSuffix(s, ")") {
		x, err := strconv.ParseFloat(strings.TrimSuffix(s, ")"), 64)
		if i := Constant(x); err == nil && checkInit(i) == "" {
			return i, true
		}
	}
	return nil, false
}
