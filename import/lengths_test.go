package onnximport_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// attention is a file as exporters write a transformer's layer: x [batch seq 6] and a
// mask [batch seq], positions by a table of 8 rows, shapes put together from those of x.
// positions says how the table is cut.
func attention(t *testing.T, positions string) []byte {
	f := newFile(17).input("x", "batch", "seq", 6).input("mask", "batch", "seq")
	var table, w []float32
	for i := range 8 * 6 {
		table = append(table, float32(i%11)/10-0.5)
	}
	for i := range 36 {
		w = append(w, float32(i%7)/6-0.4)
	}
	f.floats("table", []int64{8, 6}, table...).floats("w", []int64{6, 6}, w...).floats("one", nil, 1).floats("low", nil, -1e4)
	f.scalar("i0", 0).scalar("i1", 1).ints("a0", 0).ints("a12", 1, 2).ints("heads", 2).ints("width", 3).ints("all", 6).ints("rest", -1)
	f.ints("minus", -1, -1, -1, -1).ints("ones", 1, 1, 1, 1).ints("single", 1).ints("flat", -1, 6)
	f.node("s = Shape(x)").node("n = Gather(s,i0)").node("t = Gather(s,i1)").node("nn = Unsqueeze(n,a0)").node("tt = Unsqueeze(t,a0)")
	switch positions {
	case "Slice":
		f.node("p = Slice(table,a0,tt,a0)").node("e = Add(x,p)")
	case "Range":
		f.node("r = Range(i0,t,i1)").node("ru = Unsqueeze(r,a0)").node("p = Gather(table,ru)").node("e = Add(x,p)")
	default:
		f.node("e = Identity(x)")
	}
	head := func(name string, perm []int64) {
		f.node(name+"m = MatMul(e,w)").node(name+"s = Concat(nn,tt,heads,width)", "axis", 0).
			node(name+"r = Reshape("+name+"m,"+name+"s)").node(name+" = Transpose("+name+"r)", "perm", perm)
	}
	head("q", []int64{0, 2, 1, 3})
	head("k", []int64{0, 2, 3, 1})
	head("v", []int64{0, 2, 1, 3})
	f.node("qk = MatMul(q,k)").node("mu = Unsqueeze(mask,a12)")
	f.node("ms = Concat(nn,single,tt,tt)", "axis", 0).node("eq = Equal(ms,minus)").node("mt = Where(eq,ones,ms)").node("me = Expand(mu,mt)")
	f.node("mi = Sub(one,me)").node("mb = Mul(mi,low)").node("sc = Add(qk,mb)").node("at = Softmax(sc)", "axis", -1)
	f.node("c = MatMul(at,v)").node("ct = Transpose(c)", "perm", []int64{0, 2, 1, 3}).node("cs = Concat(nn,tt,all)", "axis", 0).node("cr = Reshape(ct,cs)")
	f.node("fl = Reshape(cr,flat)").node("fm = MatMul(fl,w)").node("bs = Concat(nn,rest,all)", "axis", 0).node("hidden = Reshape(fm,bs)")
	f.node("first = Gather(hidden,i0)", "axis", 1).node("pooled = ReduceMean(hidden)", "axes", []int64{1}, "keepdims", 0)
	return f.bytes(t, "hidden", "first", "pooled")
}

func sequences(rows, steps int) map[string]*ir.Tensor {
	x, mask := ir.NewTensor(ir.F32, rows, steps, 6), ir.NewTensor(ir.F32, rows, steps)
	for i := range x.F32 {
		x.F32[i] = float32(i%13)/6 - 1
	}
	for i := range mask.F32 {
		mask.F32[i] = float32(min(1, (i+1)%3))
	}
	return map[string]*ir.Tensor{"x": x, "mask": mask}
}

// TestOpenLengths: a file with [batch seq] runs at any lengths, as on onnxruntime.
func TestOpenLengths(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, positions := range []string{"", "Slice", "Range"} {
		data := attention(t, positions)
		m, err := onnximport.Decode(t.Context(), data, onnximport.Limits{Lengths: map[string]int{"seq": 7, "absent": 3}})
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := m.Graph.Capacity.Of("seq"); n != 7 || m.Graph.Capacity.Size() != 1 {
			t.Errorf("the capacity is %v", m.Graph.Capacity)
		}
		if p := m.Outputs[0]; p.Syms[0] != "batch" || p.Syms[1] != "seq" || m.Graph.Outputs[0].Type.String() != "f32[N seq 6]" {
			t.Errorf("%v %v", p, m.Graph.Outputs[0].Type)
		}
		var s []verify.Session
		for _, r := range []verify.Runtime{native.Runtime(), rt} {
			one, err := r.Open(data)
			if err != nil {
				t.Fatal(err)
			}
			defer one.Close()
			s = append(s, one)
		}
		for _, n := range [][2]int{{2, 3}, {1, 1}, {3, 8}, {300, 2}} {
			in := sequences(n[0], n[1])
			got, err := s[0].Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			want, err := s[1].Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for name, y := range want {
				if !slices.Equal(got[name].Shape, y.Shape) {
					t.Fatalf("%v: %s is %v, want %v", n, name, got[name].Shape, y.Shape)
				}
				for i := range y.F32 {
					if d := got[name].F32[i] - y.F32[i]; !(d < 1e-4 && d > -1e-4) {
						t.Fatalf("positions by %s, %v: %s[%d] is %v, want %v", positions, n, name, i, got[name].F32[i], y.F32[i])
					}
				}
			}
		}
		in := sequences(2, 3)
		in["mask"] = sequences(2, 4)["mask"]
		if _, err := s[0].Run(t.Context(), in); err == nil || !strings.Contains(err.Error(), `so seq is 4, but input "x" has 3`) {
			t.Errorf("lengths that do not agree: %v", err)
		}
		if positions == "" {
			continue
		}
		if _, err := s[0].Run(t.Context(), sequences(1, 9)); err == nil || !strings.Contains(err.Error(), "the end seq may be 9, but axis 0 of x has only 8 elements") {
			t.Errorf("more steps than the table has: %v", err)
		}
		if _, err := compiler.CompileGraph(m.Graph, compiler.Options{Rows: 4, Lengths: map[string]int{"seq": 9}}); err == nil || !strings.Contains(err.Error(), "give it less capacity") {
			t.Errorf("more capacity than the table has: %v", err)
		}
	}
}

// TestLengthNames: names that are no plain words become such, each its own, and lengths
// without a name are lengths of their own.
func TestLengthNames(t *testing.T) {
	f := newFile(17).input("a", "batch", "seq len").input("b", "batch", "seq_len").input("c", nil, nil).input("d", "batch", "N").input("e", "seq len")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		f.node(name + "y = Relu(" + name + ")")
	}
	m, err := onnximport.Decode(t.Context(), f.bytes(t, "ay", "by", "cy", "dy", "ey"), onnximport.Limits{Lengths: map[string]int{"seq len": 4}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range m.Graph.Inputs {
		got = append(got, v.Type.Shape.String())
	}
	if want := "[[N seq_len] [N seq_len_2] [N c_1] [N N_2] [seq_len]]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if n, _ := m.Graph.Capacity.Of("seq_len"); n != 4 || m.Outputs[0].Syms[1] != "seq len" {
		t.Errorf("%v %v", m.Graph.Capacity, m.Outputs[0])
	}
	many := newFile(17)
	for i := range 7 {
		many.input(fmt.Sprintf("x%d", i), "batch", fmt.Sprintf("t%d", i)).node(fmt.Sprintf("y%d = Relu(x%d)", i, i))
	}
	if _, err := onnximport.Decode(t.Context(), many.bytes(t, "y0", "y6"), onnximport.Limits{}); err == nil || !strings.Contains(err.Error(), "more than 6 besides the batch") {
		t.Errorf("seven lengths: %v", err)
	}
	short := newFile(17).input("x", "batch", "seq", 2).ints("lo", 0).ints("hi", 5).ints("axis", 1).node("y = Slice(x,lo,hi,axis)")
	if _, err := onnximport.Decode(t.Context(), short.bytes(t, "y"), onnximport.Limits{}); err == nil || !strings.Contains(err.Error(), "the bounds 0 and 5 of axis 1 of f32[N seq 2], which may lie outside it") {
		t.Errorf("a slice that may be outside: %v", err)
	}
}
