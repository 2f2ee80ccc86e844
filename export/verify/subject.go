package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Subject states what is to be shown: that Model computes Graph with Params.
type Subject struct {
	Graph  *ir.Graph
	Params map[string][]float32
	Model  []byte           // the exported file
	Taps   []onnxexport.Tap // where Graph's values are in Model, to name a layer; nil: its doc_strings are read

	// Run is the trained function; nil compares with the float64 reference.
	Run func(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error)

	Trained *RuntimeInfo // what reports call Run; nil: they do not name it

	// Sets are the rows that the report is about; the inputs chosen to break the file
	// are added to them.
	Sets []Set
}

// Set is a number of rows for each input.
type Set struct {
	Name string
	Rows int
	In   map[string]*ir.Tensor // by input, the batch along axis 0

	// Drawn rows were generated, not given: they are compared like the others, but no
	// share of them has to be determined.
	Drawn bool
}

// batches are the row counts that every set is run with, besides its own.
var batches = [...]int{1, 2, 7, 64}

// pool is how many rows the made-up sets have.
const pool = 64

// check returns what a caller got wrong.
func (s *Subject) check() error {
	if s.Graph == nil || len(s.Graph.Outputs) == 0 {
		return errors.New("verify: there is no graph with outputs")
	}
	if len(s.Model) == 0 {
		return errors.New("verify: there is no model")
	}
	for _, set := range s.Sets {
		if set.Rows <= 0 {
			return fmt.Errorf("verify: set %q has %d rows", set.Name, set.Rows)
		}
		inputs := Inputs(s.Graph)
		for _, v := range inputs {
			t := set.In[v.Name]
			if t == nil {
				return fmt.Errorf("verify: set %q has no input %q (%s); it has %s", set.Name, v.Name, v.Type, names(set.In))
			}
			if err := t.Check(); err != nil {
				return fmt.Errorf("verify: set %q: input %q: %w", set.Name, v.Name, err)
			}
		}
		at, err := set.lengths(inputs)
		if err != nil {
			return fmt.Errorf("verify: set %q: %w", set.Name, err)
		}
		for _, v := range inputs {
			t := set.In[v.Name]
			if want := v.Type.Shape.At(at); t.DType != v.Type.DType || !slices.Equal(want, t.Shape) {
				return fmt.Errorf("verify: set %q: input %q is %s, got %s", set.Name, v.Name, ir.Type{DType: v.Type.DType, Shape: ir.ShapeOf(want...)}, t.Type())
			}
		}
	}
	return nil
}

// Inputs returns the inputs of g that an output depends on, which are those of
// the exported file, in g's order.
func Inputs(g *ir.Graph) []*ir.Value {
	need := ir.Above(g.Outputs...)
	var out []*ir.Value
	for _, v := range g.Inputs {
		if need[v] {
			out = append(out, v)
		}
	}
	return out
}

// lengths returns the lengths of the set: its rows, and what its tensors make of free
// ones.
func (s *Set) lengths(inputs []*ir.Value) (ir.Binding, error) {
	free := false
	for _, v := range inputs {
		for _, d := range v.Type.Shape {
			free = free || d.Symbolic() && d != ir.Rows()
		}
	}
	if !free {
		return ir.RowsOf(s.Rows), nil
	}
	at, err := engine.Lengths(&ir.Graph{Inputs: inputs}, s.In)
	return at.WithRows(s.Rows), err
}

// refit returns t in another shape of as many axes, its elements over and over along
// axes that are longer.
func refit(t *ir.Tensor, shape []int) *ir.Tensor {
	if t == nil || slices.Equal(t.Shape, shape) || len(t.Shape) != len(shape) || t.Len() == 0 {
		return t
	}
	out := ir.NewTensor(t.DType, shape...)
	for i := range out.Len() {
		from, rest, step := 0, i, 1
		for a := len(shape) - 1; a >= 0; a-- {
			from += rest % shape[a] % t.Shape[a] * step
			rest, step = rest/shape[a], step*t.Shape[a]
		}
		switch t.DType {
		case ir.F32:
			out.F32[i] = t.F32[from]
		case ir.F64:
			out.F64[i] = t.F64[from]
		case ir.I64:
			out.I64[i] = t.I64[from]
		case ir.Bool:
			out.Bool[i] = t.Bool[from]
		}
	}
	return out
}

// take returns rows [0, n) of t, over and over if it has fewer.
func take(t *ir.Tensor, v *ir.Value, rows int, at ir.Binding) *ir.Tensor {
	if v.Type.Rank() == 0 || !v.Type.Shape[0].Has(ir.Batch) || rows == at.Rows() {
		return t
	}
	shape := append([]int{}, t.Shape...)
	shape[0] = v.Type.Shape[0].At(at)
	out := ir.NewTensor(t.DType, shape...)
	for at := 0; at < out.Len(); {
		if t.Len() == 0 {
			break
		}
		out.Copy(at, t)
		at += t.Len()
	}
	return out
}

// MadeUp returns the sets that Verify runs besides those it is given, chosen to break a
// file: 64 rows each of numbers that cancel, vanish, overflow or are not finite, for every
// input of g that an output depends on, and of numbers some of which are missing, for the
// inputs that may lack them (ops.MayLack). Integers and truth values act as indices, so they
// are taken from the first of sets. Free lengths are taken from it too, or are at capacity
// if there is none. (Verify itself runs each kind with different lengths.)
func MadeUp(g *ir.Graph, sets []Set) []Set {
	return madeUp(g, sets, func(_, given, _ int) int { return given })
}

// varied is the length that a kind of made-up set has: each between 1 and the most.
func varied(kind, given, most int) int {
	return [...]int{most, 1, (most + 1) / 2, given, max(most-1, 1), min(2, most), most}[kind%7]
}

func madeUp(g *ir.Graph, sets []Set, length func(kind, given, most int) int) []Set {
	plain := func(f func(i int) float64) func(row, i int) float64 { return func(_, i int) float64 { return f(i) } }
	kinds := []struct {
		name string
		fill func(row, i int) float64
	}{
		{"zeros", plain(func(int) float64 { return 0 })},
		{"ones", plain(func(int) float64 { return 1 })},
		{"large", plain(func(i int) float64 { return sign(1, uint64(i)) * 1e4 * float64(1+i%7) })},
		{"huge", plain(func(i int) float64 { return sign(2, uint64(i)) * 1e30 })},
		{"tiny", plain(func(i int) float64 { return sign(3, uint64(i)) * 1e-30 * float64(1+i%5) })},
		{"denormal", plain(func(i int) float64 { return sign(4, uint64(i)) * 1e-40 * float64(1+i%3) })},
		{"not finite", notFinite},
	}
	lacks := ops.MayLack(g)
	if len(lacks) > 0 {
		kinds = append(kinds, kinds[0])
		kinds[len(kinds)-1].name, kinds[len(kinds)-1].fill = missing, plain(ordinary)
	}
	inputs := Inputs(g)
	if len(inputs) == 0 {
		return nil
	}
	like := g.Capacity
	if len(sets) > 0 {
		if at, err := sets[0].lengths(inputs); err == nil {
			like = at
		}
	}
	names := (&ir.Graph{Inputs: inputs}).Symbols()
	var out []Set
	for kind, k := range kinds {
		set := Set{Name: k.name, Rows: pool, In: map[string]*ir.Tensor{}}
		at := ir.RowsOf(pool)
		for _, name := range names {
			if name == ir.Batch {
				continue
			}
			given, _ := like.Of(name)
			most, ok := g.Capacity.Of(name)
			if !ok {
				most = given
			}
			at = at.With(name, max(length(kind, given, most), 1))
		}
		for _, v := range inputs {
			t := ir.NewTensor(v.Type.DType, v.Type.Shape.At(at)...)
			width := max(t.Len()/pool, 1)
			switch {
			case v.Type.DType.Float():
				for i := range t.Len() {
					if t.Set(i, k.fill(i/width, i)); k.name == missing && lacks[v] && (i/width+i%width)%3 == 0 {
						t.Set(i, math.NaN())
					}
				}
			case len(sets) > 0:
				t = refit(sets[0].In[v.Name], t.Shape)
			}
			set.In[v.Name] = t
		}
		out = append(out, set)
	}
	return out
}

// notFinite has rows of ordinary numbers, rows with a NaN here and there, and
// rows with infinities of one sign or both: none may reach another row.
func notFinite(row, i int) float64 {
	if i%5 == row/8%5 {
		switch row % 6 {
		case 1:
			return math.NaN()
		case 2:
			return math.Inf(1)
		case 4:
			return math.Inf(-1)
		case 5:
			return math.Inf(1 - i%2*2)
		}
	}
	return ordinary(i)
}

// missing is the name of the set of which some numbers are.
const missing = "missing"

func ordinary(i int) float64 { return sign(5, uint64(i)) * float64(1+i%9) / 4 }

func names(m map[string]*ir.Tensor) string {
	var s []string
	for k := range m {
		s = append(s, fmt.Sprintf("%q", k))
	}
	if len(s) == 0 {
		return "none"
	}
	sort.Strings(s)
	return strings.Join(s, ", ")
}
