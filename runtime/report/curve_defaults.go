package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/spec"
)

// DefaultModel returns a model for rows by what their columns are: those of a table, which a
// schema has read; pictures f32 or u8[C H W]; windows f32[C L] of signals; or numbers f32[n].
// Model.Text is its declaration in Go, to start from. Columns that it does not learn from,
// such as groups, are named.
//
// Errors: none of these, or several columns that could be meant; those of the rows.
func DefaultModel(rows dataset.Source, label string, classes []string, but ...string) (func() Model, error) {
	if schema := dataset.SchemaOf(rows); schema != nil && len(schema.Numeric())+len(schema.Cardinalities()) > 0 {
		return tableModel(schema, label, classes), nil
	}
	var inputs []dataset.Column
	var names []string
	for _, c := range rows.Columns() {
		names = append(names, c.Name)
		if c.Name != label && !slices.Contains(but, c.Name) && c.DType != dataset.I64 {
			inputs = append(inputs, c)
		}
	}
	if len(inputs) != 1 {
		return nil, fmt.Errorf("report: a default model learns from one column of numbers or pictures, and these rows have %d: %s; declare a model of your own", len(inputs), strings.Join(names, ", "))
	}
	c := inputs[0]
	switch {
	case c.Missing:
		return nil, fmt.Errorf("report: column %q has values that are missing, for which a table is to be read by a schema", c.Name)
	case len(c.Shape) == 3:
		return pictureModel(c, label, classes), nil
	case len(c.Shape) == 2 && c.DType == dataset.F32:
		return windowModel(c, label, classes), nil
	case len(c.Shape) == 1 && c.DType == dataset.F32:
		unit, err := within(rows, c.Name)
		return flatModel(c, unit, label, classes), err
	}
	return nil, fmt.Errorf("report: there is no default model of a column %s%v: take f32[n], f32[channels steps], or f32 or u8[channels height width]", c.DType, c.Shape)
}

// within reports whether a column is from 0 to 1.
func within(rows dataset.Source, name string) (bool, error) {
	ranges, err := dataset.Ranges(rows)
	if err != nil {
		return false, err
	}
	for _, r := range ranges {
		if r.Column == name {
			return slices.Min(r.Min) >= 0 && slices.Max(r.Max) <= 1, nil
		}
	}
	return false, nil
}

// task completes a model's task.
func task(x, code *spec.Value, enc spec.Layer, label string, classes []string) fewlabels.Task {
	return fewlabels.Task{Input: x, Code: code, Logits: code.Then(spec.Dense(len(classes)).Named("head")), Encoder: enc, Label: label, Classes: classes}
}

func tableModel(schema *dataset.Schema, label string, classes []string) func() Model {
	k, cards := len(schema.Numeric()), schema.Cardinalities()
	args := fmt.Sprint(k)
	for _, n := range cards {
		args += fmt.Sprint(", ", n)
	}
	text := fmt.Sprintf(`t := spec.NewTable(%s)
enc := spec.Sequential("encoder", spec.Dense(64), spec.ReLU(), spec.Dense(32), spec.ReLU())
code := t.Row.Then(enc)
logits := code.Then(spec.Dense(%d).Named("head"))
pretrained := spec.NewModel("columns", t.Reconstruction(t.Row.Then(spec.MaskingNoise(0.2), enc))...)
labelled := spec.NewModel("label", spec.CrossEntropy(logits, spec.Labels(%q, %d).Optional()))`, args, len(classes), label, len(classes))
	return func() Model {
		t := spec.NewTable(k, cards...)
		enc := spec.Sequential("encoder", spec.Dense(64), spec.ReLU(), spec.Dense(32), spec.ReLU())
		return Model{Task: task(t.Row, t.Row.Then(enc), enc, label, classes), Text: text,
			Pretrain: []Pretraining{Losses("denoising", nil, t.Reconstruction(t.Row.Then(spec.MaskingNoise(0.2), enc))...)}}
	}
}

func pictureModel(c dataset.Column, label string, classes []string) func() Model {
	dims := strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Shape), " ", ", "), "[]")
	input := fmt.Sprintf(`x := spec.Input(%q, %s)`, c.Name, dims)
	if c.DType == dataset.U8 {
		input = fmt.Sprintf(`x := spec.Bytes(%q, %s).Then(spec.Floats().Times(1.0/255))`, c.Name, dims)
	}
	text := fmt.Sprintf(`%s
enc := spec.Sequential("encoder", spec.Conv(16, 3).Same().Stride(2), spec.ReLU(), spec.Conv(32, 3).Same().Stride(2), spec.ReLU(),
	spec.Flatten(), spec.Dense(64), spec.ReLU())
code := x.Then(enc)
logits := code.Then(spec.Dense(%d).Named("head"))
pretrained := spec.NewModel("pictures", spec.MSE(x.Then(spec.MaskingNoise(0.2), enc, spec.Mirror("decoder", enc)), x))
labelled := spec.NewModel("label", spec.CrossEntropy(logits, spec.Labels(%q, %d).Optional()))`, input, len(classes), label, len(classes))
	return func() Model {
		in := spec.Input(c.Name, c.Shape...)
		x := in
		if c.DType == dataset.U8 {
			in = spec.Bytes(c.Name, c.Shape...)
			x = in.Then(spec.Floats().Times(1.0 / 255))
		}
		enc := spec.Sequential("encoder", spec.Conv(16, 3).Same().Stride(2), spec.ReLU(), spec.Conv(32, 3).Same().Stride(2), spec.ReLU(), spec.Flatten(), spec.Dense(64), spec.ReLU())
		decoder := spec.Mirror("decoder", enc)
		clean, noisy := x.Then(enc, decoder), x.Then(spec.MaskingNoise(0.2), enc, decoder)
		return Model{Task: task(in, x.Then(enc), enc, label, classes), Text: text, Picture: x,
			Pretrain: []Pretraining{Losses("denoising", noisy, spec.MSE(noisy, x)), Losses("autoencoder", clean, spec.MSE(clean, x))}}
	}
}

func windowModel(c dataset.Column, label string, classes []string) func() Model {
	text := fmt.Sprintf(`x := spec.Input(%q, %d, %d).Then(spec.Standardise().Axis(0))
enc := spec.Sequential("encoder", spec.Conv(16, 5).Same().Stride(2), spec.ReLU(), spec.Conv(16, 5).Same().Stride(2), spec.ReLU())
code := x.Then(enc, spec.Flatten())
logits := code.Then(spec.Dense(%d).Named("head"))
pretrained := spec.NewModel("windows", spec.MSE(x.Then(spec.MaskingNoise(0.2), enc, spec.Mirror("decoder", enc)), x))
labelled := spec.NewModel("label", spec.CrossEntropy(logits, spec.Labels(%q, %d).Optional()))`, c.Name, c.Shape[0], c.Shape[1], len(classes), label, len(classes))
	return func() Model {
		in := spec.Input(c.Name, c.Shape...)
		x := in.Then(spec.Standardise().Axis(0))
		enc := spec.Sequential("encoder", spec.Conv(16, 5).Same().Stride(2), spec.ReLU(), spec.Conv(16, 5).Same().Stride(2), spec.ReLU())
		decoder := spec.Mirror("decoder", enc)
		clean, noisy := x.Then(enc, decoder), x.Then(spec.MaskingNoise(0.2), enc, decoder)
		return Model{Task: task(in, x.Then(enc, spec.Flatten()), enc, label, classes), Text: text,
			Pretrain: []Pretraining{Losses("denoising", nil, spec.MSE(noisy, x)), Losses("autoencoder", nil, spec.MSE(clean, x))}}
	}
}

func flatModel(c dataset.Column, unit bool, label string, classes []string) func() Model {
	scale := `.Then(spec.Standardise())`
	if unit {
		scale = ""
	}
	text := fmt.Sprintf(`x := spec.Input(%q, %d)%s
enc := spec.Sequential("encoder", spec.Dense(256), spec.ReLU(), spec.Dense(64), spec.ReLU())
code := x.Then(enc)
logits := code.Then(spec.Dense(%d).Named("head"))
pretrained := spec.NewModel("rows", spec.MSE(x.Then(spec.MaskingNoise(0.25), enc, spec.Mirror("decoder", enc).Tied()), x))
labelled := spec.NewModel("label", spec.CrossEntropy(logits, spec.Labels(%q, %d).Optional()))`, c.Name, c.Shape[0], scale, len(classes), label, len(classes))
	return func() Model {
		in := spec.Input(c.Name, c.Shape...)
		x := in
		if !unit {
			x = in.Then(spec.Standardise())
		}
		enc := spec.Sequential("encoder", spec.Dense(256), spec.ReLU(), spec.Dense(64), spec.ReLU())
		restored := x.Then(spec.MaskingNoise(0.25), enc, spec.Mirror("decoder", enc).Tied())
		m := Model{Task: task(in, x.Then(enc), enc, label, classes), Text: text, Pretrain: []Pretraining{Losses("denoising", restored, spec.MSE(restored, x))}}
		if _, ok := pictureDims(c.Shape); ok && unit {
			m.Picture = x
		}
		if unit {
			m.Pretrain = append(m.Pretrain, Greedy(in, enc))
		}
		return m
	}
}

// TextModel returns the model of a text form ([spec.Parse]) that has the values code, f32[N n],
// and logits, f32[N classes], among its outputs. If it has one input of numbers, f32[N …], it
// can be pretrained to undo noise with a decoder of one dense layer, and as an autoencoder if
// there is an output reconstruction of the input's type.
//
// Errors: those of Parse; an output that is not there or of another type.
func TextModel(text, label string, classes []string) (func() Model, error) {
	declare := func() (Model, error) {
		p, err := spec.Parse(text)
		if err != nil {
			return Model{}, err
		}
		code, logits := p.Tap("code"), p.Tap("logits")
		for _, v := range []*spec.Value{code, logits} {
			if err := v.Err(); err != nil {
				return Model{}, fmt.Errorf("report: the text form must have the outputs code and logits: %w", err)
			}
		}
		m := Model{Text: text, Task: fewlabels.Task{Input: code, Code: code, Logits: logits, Label: label, Classes: classes}}
		inputs, err := inputsOf(m.Task)
		if err != nil {
			return m, err
		}
		if len(inputs) > 0 {
			m.Task.Input = p.Tap(inputs[0].Name)
		}
		if x := m.Task.Input; len(inputs) == 1 && x.Err() == nil && x.Type().DType == ir.F32 && !x.Type().Shape[1:].Symbolic() {
			row := x
			if x.Type().Rank() > 2 {
				row = x.Then(spec.Flatten())
			}
			restored := x.Then(spec.MaskingNoise(0.25), spec.Between("encoder", x, code), spec.Dense(row.Type().Last()).Named("restored"))
			m.Pretrain = append(m.Pretrain, Losses("denoising", nil, spec.MSE(restored, row)))
			if lengths, ok := x.Type().Shape[1:].Fixed(); ok {
				if _, ok := pictureDims(lengths); ok {
					m.Picture = x
				}
			}
			if back := p.Tap("reconstruction"); back.Err() == nil && back.Type().Equal(x.Type()) {
				m.Pretrain = append(m.Pretrain, Losses("autoencoder", back, spec.MSE(back, x)))
			}
		}
		return m, nil
	}
	m, err := declare()
	if err != nil {
		return nil, err
	}
	if n := m.Task.Logits.Type(); n.Rank() != 2 || n.Last() != len(classes) {
		return nil, fmt.Errorf("report: logits of the text form are %s, and there are %d classes", n, len(classes))
	}
	return func() Model { m, _ := declare(); return m }, nil
}

// WithPretrainings returns the model with the pretrainings of these names, in that order; the
// first one alone without names, and all for "all". Errors: no such pretraining.
func WithPretrainings(model func() Model, names ...string) (func() Model, error) {
	if len(names) == 1 && names[0] == "all" {
		return model, nil
	}
	m := model()
	if len(names) == 0 && len(m.Pretrain) > 0 {
		names = []string{m.Pretrain[0].Name}
	}
	if len(names) == 1 && names[0] == "none" {
		names = nil
	}
	var have []string
	for _, p := range m.Pretrain {
		have = append(have, p.Name)
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return nil, fmt.Errorf("report: the model has no pretraining %q; it has %s, all or none", n, strings.Join(have, ", "))
		}
	}
	return func() Model {
		m := model()
		all := m.Pretrain
		m.Pretrain = nil
		for _, n := range names {
			for _, p := range all {
				if p.Name == n {
					m.Pretrain = append(m.Pretrain, p)
				}
			}
		}
		return m
	}, nil
}
