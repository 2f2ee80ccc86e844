package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/spec"
)

// BundleModel returns the model of a trained function, such as a bundle's, whose output, f32[N n],
// is the code; "" is the only one. Its pretraining is named bundle and has been done
// ([Pretraining.Before]); the net from scratch is the same function, begun anew.
//
// Errors: a record without the text of the function, or without recipes that say how its
// parameters and state begin; no such output.
func BundleModel(net *engine.Net, output, label string, classes []string) (func() Model, error) {
	text := net.Record().Ships
	if text == "" {
		return nil, errors.New("report: the bundle's record lacks the text form of its function, of which a net is to be made")
	}
	text, err := begun(text, net.Record().Phases)
	if err != nil {
		return nil, err
	}
	declare := func() (Model, error) {
		values, err := new(spec.Parser).Values(text)
		if err != nil {
			return Model{}, err
		}
		outputs := net.Outputs()
		at := slices.IndexFunc(outputs, func(v *ir.Value) bool { return v.Name == output || output == "" && len(outputs) == 1 })
		if at < 0 || at >= len(values) {
			var names []string
			for _, v := range outputs {
				names = append(names, v.Name)
			}
			return Model{}, fmt.Errorf("report: which output of the bundle is the code? it has %s, and %q was named", strings.Join(names, ", "), output)
		}
		code := values[at]
		if typ := code.Type(); typ.DType != ir.F32 || typ.Rank() < 2 || typ.Shape[1:].Symbolic() {
			return Model{}, fmt.Errorf("report: the code must be f32[N n], some numbers a row, and output %q is %s", outputs[at].Name, typ)
		}
		if code.Type().Rank() > 2 {
			code = code.Then(spec.Flatten())
		}
		m := Model{Text: text, Pretrain: []Pretraining{Given("bundle", net)},
			Task: fewlabels.Task{Input: code, Code: code, Logits: code.Then(spec.Dense(len(classes)).Named("fewlabels")), Label: label, Classes: classes}}
		return m, m.Task.Logits.Err()
	}
	if _, err := declare(); err != nil {
		return nil, err
	}
	return func() Model { m, _ := declare(); return m }, nil
}

// begun returns the text of a function with what the texts of the models that trained it say of
// inputs, parameters and state: which may be missing, how they begin, what they are fitted to.
func begun(text string, phases []engine.Phase) (string, error) {
	said := map[string]string{}
	var models []string
	for _, p := range phases {
		if p.Recipe == nil || p.Recipe.Model == "" {
			continue
		}
		models = append(models, p.Name)
		if _, err := ir.ParseNoted(p.Recipe.Model, ops.ByName, func(v *ir.Value, note string) error {
			said[v.Name] = note
			return nil
		}); err != nil {
			return "", fmt.Errorf("report: the recipe of phase %q: %w", p.Name, err)
		}
	}
	if len(models) == 0 {
		return "", errors.New("report: the bundle's record lacks recipes, which say how its net begins from scratch: it is of a version of Lamina before them")
	}
	g, err := ir.ParseNoted(text, ops.ByName, func(*ir.Value, string) error { return nil })
	if err != nil {
		return "", fmt.Errorf("report: what the bundle ships: %w", err)
	}
	for _, s := range g.State {
		if said[s.In.Name] == "" {
			return "", fmt.Errorf("report: the bundle's record does not say how state %q begins", s.In.Name)
		}
	}
	return ir.FormatNoted(g, func(v *ir.Value) string { return said[v.Name] }), nil
}
