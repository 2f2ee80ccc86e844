package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// Names of facts that are looked for.
const (
	factModelName = "the model's name"
	factOptimizer = "the optimizer"
	factEpochs    = "Epochs"
	factPatience  = "Patience"
	factStart     = "InitFrom["
	factPrecision = "Precision"
	factRows      = "the training rows"
	factMix       = "the mix of the training rows"
	factValid     = "the validation rows"
)

// settings are the options that decide a run's bits, as they are read back from a
// checkpoint of version 1. KeepLast and what follows it were not compared then,
// and there were no shards.
type settings struct {
	Optimizer  any     `json:"optimizer"`
	Batch      int     `json:"batch"`
	Accumulate int     `json:"accumulate"`
	Shards     int     `json:"shards"`
	Seed       uint64  `json:"seed"`
	InOrder    bool    `json:"in_order"`
	Augment    string  `json:"augment,omitempty"` // text form
	Epochs     int     `json:"epochs"`
	Patience   int     `json:"patience"`
	MinDelta   float64 `json:"min_delta"`
	KeepLast   bool    `json:"keep_last"`
	BestBy     string  `json:"best_by,omitempty"` // text form
	ClipNorm   float64 `json:"clip_norm"`

	Average      float64 `json:"average"`
	AverageShare string  `json:"average_share"` // the schedule by which it changes

	AverageSchedule json.RawMessage `json:"average_schedule,omitempty"` // what that says of itself
	ValidAverage    bool            `json:"valid_average"`

	Precision string   `json:"precision,omitempty"` // "" is FP32
	Kept      []string `json:"kept,omitempty"`      // in FP32 nevertheless

	Freeze   []string     `json:"freeze"`
	InitFrom []InitReport `json:"init_from"`
}

// Decides returns everything except the rows that decides the result of training the
// model with these options, in the order in which a refusal to resume lists changes. The
// options must have passed Check. A pretraining program uses it to compare its phases,
// and a training to compare itself with its checkpoint.
//
// Errors: those of Options.InitFrom; an optimizer whose description has no JSON.
func (o Options) Decides(m *spec.Model) (checkpoint.Facts, error) {
	_ = o.check(m) // fills the defaults in
	starts, _, err := o.starts(m)
	if err != nil {
		return nil, err
	}
	return o.decides(m, starts)
}

func (o *Options) decides(m *spec.Model, starts []InitReport) (checkpoint.Facts, error) {
	l, err := modelFacts(m)
	if err != nil {
		return nil, err
	}
	own, err := o.settings(starts).facts(o.Optimizer)
	if err != nil {
		return nil, err
	}
	l = append(l, own...)
	for _, x := range o.Metrics {
		if x.recorded != nil {
			l.Add(fmt.Sprintf("the recorded metric %q", x.Name), x.recorded)
			continue
		}
		of := []*spec.Value{x.Value}
		if x.Weight != nil {
			of = append(of, x.Weight)
		}
		if x.over != nil { // the function itself is known by the metric's name alone
			of = append(of, x.labels)
		}
		g, _, err := spec.GraphOf("metric", of...)
		if err != nil {
			return nil, fmt.Errorf("train: metrics: %w", err)
		}
		l = append(l, checkpoint.Fact{Name: fmt.Sprintf("metric %q", x.Name), SHA256: ir.Hash(g)})
	}
	return l, nil
}

func (o *Options) settings(starts []InitReport) *settings {
	share, plan := "", json.RawMessage(nil)
	if o.AverageSchedule != nil {
		text, err := scheduleText(o.AverageSchedule)
		if share = text; err != nil {
			share = err.Error() // what it says of itself has no JSON
		} else if d, ok := o.AverageSchedule.(interface{ Describe() any }); ok {
			plan, _ = json.Marshal(d.Describe())
		}
	}
	precision := ""
	if o.Precision.Narrow() {
		precision = optim.BF16.String()
	}
	return &settings{Precision: precision, Kept: o.Precision.Kept(), AverageShare: share, AverageSchedule: plan, Optimizer: o.Optimizer.Describe(), Batch: o.Batch, Accumulate: o.Accumulate, Shards: o.Shards, Seed: o.Seed, InOrder: o.InOrder, Augment: o.Augment.String(),
		Epochs: o.Epochs, Patience: o.Patience, MinDelta: o.MinDelta, KeepLast: o.KeepLast, BestBy: o.BestBy.String(), ClipNorm: o.ClipNorm, Average: o.Average, ValidAverage: o.ValidAverage, Freeze: o.Freeze, InitFrom: starts}
}

// facts are the options' part of the list. An option that is added and decides the
// result gets a line here, and TestEveryOptionDecidesOrNot asks for it.
func (s *settings) facts(o optim.Optimizer) (checkpoint.Facts, error) {
	l, err := optimizerFacts(o, s.Optimizer)
	if err != nil {
		return nil, err
	}
	l = append(l, checkpoint.Fact{Name: "the seed", Value: fmt.Sprint(s.Seed)})
	l.Add("Batch", s.Batch)
	if s.Accumulate != 1 {
		l.Add("Accumulate", s.Accumulate)
	}
	if s.Shards > 1 {
		l.Add("Shards", s.Shards)
	}
	if s.Precision != "" {
		l = append(l, checkpoint.Fact{Name: factPrecision, Value: s.Precision})
		l.Add("the layers kept in FP32", strings.Join(s.Kept, ", "))
	}
	l.Add("InOrder", s.InOrder)
	if s.Augment != "" {
		l.Add("Augment", s.Augment)
	}
	l.Add(factEpochs, s.Epochs)
	l.Add(factPatience, s.Patience)
	l.Add("MinDelta", s.MinDelta)
	l.Add("KeepLast", s.KeepLast)
	if s.BestBy != "" {
		l.Add("BestBy", s.BestBy)
	}
	l.Add("ClipNorm", s.ClipNorm)
	l.Add("Average", s.Average)
	if s.AverageShare != "" {
		l.Add("AverageSchedule", s.AverageShare)
	}
	l.Add("ValidAverage", s.ValidAverage)
	l.Add("Freeze", strings.Join(s.Freeze, ", "))
	for i, r := range s.InitFrom {
		l = append(l, checkpoint.Fact{Name: fmt.Sprintf("%s%d]", factStart, i), Value: fmt.Sprintf("%q", r.Pattern), SHA256: r.Hash})
	}
	return l, nil
}

// optimizerFacts tells what an optimizer says of itself. Its own name, as "Adam", is
// that of o's type, if that is the one described.
func optimizerFacts(o optim.Optimizer, described any) (checkpoint.Facts, error) {
	raw, err := json.Marshal(described)
	if err != nil {
		return nil, fmt.Errorf("train: what the optimizer %s says of itself cannot be kept: %w", o.Name(), err)
	}
	var d map[string]any
	if json.Unmarshal(raw, &d) != nil { // a custom one that is no object
		return checkpoint.Facts{{Name: factOptimizer, Value: string(raw)}}, nil
	}
	name, _ := d["name"].(string)
	title := name
	if name == o.Name() {
		t := reflect.TypeOf(o)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if title = strings.TrimSuffix(t.Name(), "Optimizer"); title == "" {
			title = name
		}
	}
	l := checkpoint.Facts{{Name: factOptimizer, Value: title}}
	add := func(key string, v any) {
		text := plainText(v)
		if text == "" {
			return
		}
		l = append(l, checkpoint.Fact{Name: title + "'s " + strings.ReplaceAll(key, "_", " "), Value: text, Of: factOptimizer})
	}
	for _, key := range slices.Sorted(maps.Keys(d)) {
		options, ok := d[key].(map[string]any)
		switch {
		case key == "name":
		case key == "options" && ok:
			for _, k := range slices.Sorted(maps.Keys(options)) {
				add(k, options[k])
			}
		default:
			add(key, d[key])
		}
	}
	return l, nil
}

// plainText is a value of JSON as a message has it: the name first, then the rest.
func plainText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case map[string]any:
		var parts []string
		if name, ok := x["name"].(string); ok {
			parts = append(parts, name)
		}
		if pattern, ok := x["pattern"].(string); ok && len(x) == 2 {
			return fmt.Sprintf("%s ×%v", pattern, x["factor"])
		}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			if k != "name" {
				parts = append(parts, k+" "+plainText(x[k]))
			}
		}
		return strings.Join(parts, ", ")
	case []any:
		var parts []string
		for _, y := range x {
			parts = append(parts, plainText(y))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}

// scheduleText is what a schedule says of itself.
func scheduleText(s optim.Schedule) (string, error) {
	d, ok := s.(interface{ Describe() any })
	if !ok {
		return fmt.Sprintf("%T", s), nil
	}
	raw, err := json.Marshal(d.Describe())
	if err != nil {
		return "", err
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", err
	}
	return plainText(v), nil
}

// mostOps is how many ops of a layer are told by name.
const mostOps = 4

// mostFacts is how many of a model are kept; of a larger one only its hash is.
const mostFacts = 1 << 15

// modelFacts tells a model layer by layer.
func modelFacts(m *spec.Model) (checkpoint.Facts, error) {
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	l := checkpoint.Facts{{Name: factModelName, Value: m.Name()}}
	for _, in := range g.Inputs {
		l = append(l, checkpoint.Fact{Name: fmt.Sprintf("the input %q", in.Name), Verb: checkpoint.Has, Value: "type " + in.Type.String()})
	}
	var layers []string
	text, units := map[string][]string{}, map[string]string{} // by layer; what a layer of weights has
	counted := map[string]bool{}                              // parameters of which units says how many
	owner := map[string]string{}
	for _, p := range m.Params() {
		owner[p.Name] = p.Layer
	}
	for _, n := range g.Nodes {
		if text[n.Layer] == nil {
			layers = append(layers, n.Layer)
		}
		op := ir.FormatOp(n.Op)
		for _, v := range n.In {
			if x := g.Data[v]; x != nil && x.Len() == 1 { // such as the weight of a loss
				op += fmt.Sprintf("(%v)", x.At(0))
			}
		}
		text[n.Layer] = append(text[n.Layer], op)
		if _, ok := n.Op.(ops.MatMul); ok && len(n.In) == 2 && owner[n.In[1].Name] == n.Layer && n.In[1].Type.Rank() == 2 {
			units[n.Layer], counted[n.In[1].Name] = fmt.Sprintf("%s units", n.In[1].Type.Shape[1]), true
		}
	}
	for _, layer := range layers {
		f := checkpoint.Fact{Name: layer, Verb: checkpoint.Computes, Value: strings.Join(text[layer], ", ")}
		if len(text[layer]) > mostOps {
			sum := sha256.Sum256([]byte(f.Value))
			f.Value, f.SHA256 = "", hex.EncodeToString(sum[:])
		}
		l = append(l, f)
		if units[layer] != "" {
			l = append(l, checkpoint.Fact{Name: layer, Verb: checkpoint.Has, Value: units[layer], Of: layer})
		}
	}
	for _, p := range m.Params() {
		if !counted[p.Name] {
			l = append(l, checkpoint.Fact{Name: p.Name, Verb: checkpoint.Has, Value: "shape " + p.Type.Shape.String(), Of: p.Layer})
		}
		l = append(l, checkpoint.Fact{Name: "the initializer of " + p.Name, Value: p.Init.Name(), Of: p.Layer})
	}
	for _, s := range m.States() {
		if value, plan, ok := s.Scheduled(); ok {
			text, err := scheduleText(plan)
			if err != nil {
				return nil, fmt.Errorf("train: the schedule of %q: %w", s.Name, err)
			}
			l = append(l, checkpoint.Fact{Name: "the scheduled number " + s.Name, Value: fmt.Sprintf("%v, %s", value, text)})
			continue
		}
		if how, ok := s.Fitted(); ok {
			l = append(l, checkpoint.Fact{Name: s.Name, Verb: checkpoint.Computes, Value: "the " + how.String() + " of the training rows"})
		}
		l = append(l, checkpoint.Fact{Name: s.Name, Verb: checkpoint.Has, Value: "shape " + s.Type.Shape.String()},
			checkpoint.Fact{Name: "the initializer of " + s.Name, Value: s.Init.Name(), Of: s.Name})
	}
	if len(l) > mostFacts {
		l = l[:1]
	}
	return append(l, checkpoint.Fact{Name: "the model", SHA256: m.Hash(), Sum: true}), nil
}
