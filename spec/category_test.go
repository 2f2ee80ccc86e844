package spec_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// TestCategories holds layers of ids to their definitions.
func TestCategories(t *testing.T) {
	ids := spec.Categories("k", 3, 5)
	in := map[string]*ir.Tensor{"k": {DType: ir.I64, Shape: []int{3, 2}, I64: []int64{2, 0, 1, 4, 0, 2}},
		"e/table0": f64([]int{3, 1}, 10, 20, 30), "e/table1": f64([]int{5, 2}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), "one/table": f64([]int{5, 2}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)}
	sameNumbers(t, "one-hot", evaluated(t, ids.Then(spec.OneHotIDs(3, 5)), in),
		0, 0, 1, 1, 0, 0, 0, 0,
		0, 1, 0, 0, 0, 0, 0, 1,
		1, 0, 0, 0, 0, 1, 0, 0)
	sameNumbers(t, "ordinal", evaluated(t, ids.Then(spec.Ordinal(3, 5)), in), 0, -1, -1, 1, -1, 0)
	sameNumbers(t, "embeddings", evaluated(t, ids.Then(spec.Embeddings([]int{3, 5}, 1, 2).Named("e")), in), 30, 1, 2, 20, 9, 10, 10, 5, 6)
	in["t"] = &ir.Tensor{DType: ir.I64, Shape: []int{1, 3}, I64: []int64{4, 0, 1}}
	sameNumbers(t, "embedding", evaluated(t, spec.Tokens("t", 3, 5).Then(spec.Embedding(5, 2).Named("one")), in), 9, 10, 1, 2, 3, 4)
	m := spec.NewModel("m", spec.L1(ids.Then(spec.Embeddings([]int{3, 5}, 4), spec.Dense(1))))
	if got := fmt.Sprint(m.Limits(), m.Cardinalities()); got != "map[k:5] map[k:[3 5]]" {
		t.Error(got)
	}
	if p := m.Params(); len(p) != 4 || p[1].Name != "embeddings1/table1" || p[1].Type.String() != "f32[5 4]" {
		t.Errorf("parameters %v", p)
	}
}

func TestCategoryMistakes(t *testing.T) {
	k := func() *spec.Value { return spec.Categories("k", 3, 5) }
	for want, v := range map[string]*spec.Value{
		`Categories "k": the number of ids of each column is needed, got none`:                     spec.Categories("k"),
		`the number of a column's ids must be from 1 to 2^31, got 0 for column 1`:                  spec.Categories("k", 3, 0),
		`column 1 of input "k" has ids below 5, but here they are below 4`:                         k().Then(spec.OneHotIDs(3, 4)),
		`Embeddings: x must be i64[N 3], a column for each number of ids, got i64[N 2]`:            k().Then(spec.Embeddings([]int{3, 5, 2}, 2)),
		`units must be positive, one number for all of the 2 columns or one for each, got [1 2 3]`: k().Then(spec.Embeddings([]int{3, 5}, 1, 2, 3)),
		`or one for each, got []`:                                                                     k().Then(spec.Embeddings([]int{3, 5})),
		`or one for each, got [2 0]`:                                                                  k().Then(spec.Embeddings([]int{3, 5}, 2, 0)),
		`Embeddings: the number of ids of each column is needed, got none`:                            k().Then(spec.Embeddings(nil, 2)),
		`column 0 has 2 ids, but 0 and 1 are of no value, so it has none to put in order`:             spec.Categories("k", 2).Then(spec.Ordinal(2)),
		`Embedding: vocabulary and units must be positive, got 0 and 3`:                               spec.Labels("l", 4).Then(spec.Embedding(0, 3)),
		`the vocabulary is 3 but input "l" has 4 different values (x is i64[N])`:                      spec.Labels("l", 4).Then(spec.Embedding(3, 3)),
		`input "l" may be absent, -1, which is no row of the table: give what is absent an id of its`: spec.Labels("l", 4).Optional().Then(spec.Embedding(4, 3)),
		`the ids may be absent, -1, which is no row of a table`:                                       k().Optional().Then(spec.Embeddings([]int{3, 5}, 2)),
		`x must be ids, i64[N …], got f32[N 3]`:                                                       spec.Input("x", 3).Then(spec.Embedding(3, 3)),
		`the rate must be positive, in samples a second, got 0`:                                       spec.Input("x", 30).Then(spec.LogMel(0, 8, 4, 2)),
		`the window must be from 2 to 8192 samples, got 1`:                                            spec.Input("x", 30).Then(spec.LogMel(1, 1, 4, 2)),
		`hop and bands must be positive, and not more bands than samples in the window, got 0 and 2`:  spec.Input("x", 30).Then(spec.LogMel(1, 8, 0, 2)),
		`band 0 of 7 has no frequency of the DFT of 8 samples: take fewer bands or a longer window`:   spec.Input("x", 30).Then(spec.LogMel(16000, 8, 4, 7)),
		`the signal has 7 samples, which are fewer than the window's 8 (x is f32[N 7])`:               spec.Input("x", 7).Then(spec.LogMel(10, 8, 4, 2)),
		`x must be signals, f32[N samples] or f32[N channels samples], got f32[N 2 2 20]`:             spec.Input("x", 2, 2, 20).Then(spec.LogMel(10, 8, 4, 2)),
		`the lengths of a signal must be known, x is f32[N T]`:                                        spec.Input("x", 20).Free("T").Then(spec.LogMel(10, 8, 4, 2)),
	} {
		if err := v.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "category_test.go:") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestLogMel holds the layer to numbers that testdata/logmel.py made with numpy's FFT.
func TestLogMel(t *testing.T) {
	raw, err := os.ReadFile("testdata/logmel.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Rate               float64
		Window, Hop, Bands int
		X                  [][]float64
		Y                  [][][]float64
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) != 3 {
		t.Fatal(len(cases), err)
	}
	for i, c := range cases {
		samples := len(c.X[0])
		x := &ir.Tensor{DType: ir.F64, Shape: []int{1, len(c.X), samples}}
		for _, row := range c.X {
			x.F64 = append(x.F64, row...)
		}
		in := spec.Input("x", len(c.X), samples)
		if len(c.X) == 1 {
			in, x.Shape = spec.Input("x", samples), []int{1, samples}
		}
		y := in.Then(spec.LogMel(c.Rate, c.Window, c.Hop, c.Bands))
		if got, want := y.Type().String(), fmt.Sprintf("f32[N %d %d %d]", len(c.X), len(c.Y[0]), c.Bands); got != want {
			t.Fatalf("case %d: %s, want %s", i, got, want)
		}
		got, at := evaluated(t, y, map[string]*ir.Tensor{"x": x}), 0
		for _, channel := range c.Y {
			for _, frame := range channel {
				for _, want := range frame {
					if !(math.Abs(got[at]-want) <= 1e-5*(1+math.Abs(want))) {
						t.Fatalf("case %d, element %d: got %v, want %v", i, at, got[at], want)
					}
					at++
				}
			}
		}
	}
}
