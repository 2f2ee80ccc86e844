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
	onnxexport "github.com/lamina-ml/lamina/export"
)

// Subject is what is to be shown: that Model computes Graph with Params.
type Subject struct {
	Graph  *ir.Graph
	Params map[string][]float32
	Model  []byte           // the exported file
	Taps   []onnxexport.Tap // where Graph's values are in Model, to name a layer; nil: its doc_strings are read

	// Run is the trained function; nil compares with the float64 reference.
	Run func(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error)

	Trained *RuntimeInfo // what reports call Run; nil: they do not name it

	// Sets are the rows the report speaks of; the inputs chosen to break the file
	// come on top.
	Sets []Set
}

// Set is a number of rows for each input.
type Set struct {
	Name string
	Rows int
	In   map[string]*ir.Tensor // by input, the batch along axis 0

	// Drawn rows were made, not given: they are compared like the others, and how
	// much of them is determined is not asked.
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
		for _, v := range Inputs(s.Graph) {
			t := set.In[v.Name]
			if t == nil {
				return fmt.Errorf("verify: set %q has no input %q (%s); it has %s", set.Name, v.Name, v.Type, names(set.In))
			}
			if err := t.Check(); err != nil {
				return fmt.Errorf("verify: set %q: input %q: %w", set.Name, v.Name, err)
			}
			if want := v.Type.Shape.At(ir.RowsOf(set.Rows)); t.DType != v.Type.DType || !slices.Equal(want, t.Shape) {
				return fmt.Errorf("verify: set %q: input %q is %s, got %s", set.Name, v.Name, ir.Type{DType: v.Type.DType, Shape: ir.ShapeOf(want...)}, t.Type())
			}
		}
	}
	return nil
}

// Inputs returns the inputs of g that an output depends on, which are those of
// the exported file, in g's order.
func Inputs(g *ir.Graph) []*ir.Value {
	need := map[*ir.Value]bool{}
	for _, v := range g.Outputs {
		need[v] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		for _, v := range n.Out {
			if need[v] {
				for _, w := range n.In {
					need[w] = true
				}
			}
		}
	}
	var out []*ir.Value
	for _, v := range g.Inputs {
		if need[v] {
			out = append(out, v)
		}
	}
	return out
}

// take returns rows [0, n) of t, over and over if it has fewer.
func take(t *ir.Tensor, v *ir.Value, rows, n int) *ir.Tensor {
	if v.Type.Rank() == 0 || !v.Type.Shape[0].Symbolic() || rows == n {
		return t
	}
	shape := append([]int{}, t.Shape...)
	shape[0] = v.Type.Shape[0].At(ir.RowsOf(n))
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

// MadeUp returns the sets that Verify runs besides those it is given, chosen to
// break a file: 64 rows each of numbers that cancel, vanish, overflow or are none,
// for every input of g that an output depends on. Integers and truth values, whose
// meaning is an index, are those of the first of sets.
func MadeUp(g *ir.Graph, sets []Set) []Set {
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
	inputs := Inputs(g)
	if len(inputs) == 0 {
		return nil
	}
	var out []Set
	for _, k := range kinds {
		set := Set{Name: k.name, Rows: pool, In: map[string]*ir.Tensor{}}
		for _, v := range inputs {
			t := ir.NewTensor(v.Type.DType, v.Type.Shape.At(ir.RowsOf(pool))...)
			width := max(t.Len()/pool, 1)
			switch {
			case v.Type.DType.Float():
				for i := range t.Len() {
					t.Set(i, k.fill(i/width, i))
				}
			case len(sets) > 0:
				t = take(sets[0].In[v.Name], v, sets[0].Rows, pool)
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
	return sign(5, uint64(i)) * float64(1+i%9) / 4
}

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
