package bundle

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
)

func TestLayersRoundTrip(t *testing.T) {
	in := map[string]*ir.Tensor{
		"a/b": {DType: ir.F64, Shape: []int{2, 3}, F64: []float64{1, 2, 3, 4, 5, 6}},
		"c":   {DType: ir.F32, Shape: []int{2, 1, 2}, F32: []float32{1, 2, 3, 4}},
		"d":   {DType: ir.F32, Shape: []int{4}, F32: []float32{1, 2, 3, 4}},
		"i":   {DType: ir.I64, Shape: []int{2}, I64: []int64{-1, 1 << 60}},
		"t":   {DType: ir.Bool, Shape: []int{1, 3}, Bool: []bool{true, false, true}},
	}
	var a arrays
	for name, x := range in {
		a.add(name, x)
	}
	b, err := a.pack()
	if err != nil {
		t.Fatal(err)
	}
	out, err := unpack(b, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range in {
		if y := out[name]; y == nil || fmt.Sprint(y.Shape, y.F32, y.I64, y.Bool) != fmt.Sprint(x.Shape, x.To(y.DType).F32, x.I64, x.Bool) {
			t.Errorf("%s: %v became %v", name, x, y)
		}
	}
	if _, err := unpack(b, 100); err == nil {
		t.Error("the limit does not hold")
	}
}

func npzOf(header string, data []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, _ := w.Create("x.npy")
	fmt.Fprintf(f, "\x93NUMPY\x01\x00%c%c%s", len(header)%256, len(header)/256, header)
	f.Write(data)
	w.Close()
	return b.Bytes()
}

func TestHostileLayers(t *testing.T) {
	for _, shape := range []string{"(1000000000, 1000000000)", "(-1,)", "(9223372036854775807,)", "(5,)", "(1,1,1,1,1,1,1,1,1)", ""} {
		h := "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n"
		if _, err := unpack(npzOf(h, make([]byte, 16)), 1<<20); err == nil {
			t.Errorf("shape %s is accepted", shape)
		}
	}
	h := "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n"
	if _, err := unpack(npzOf(h, make([]byte, 16)), 1<<20); err == nil || !strings.Contains(err.Error(), "<f8") {
		t.Errorf("another type: %v", err)
	}
	if _, err := unpack(npzOf(strings.Repeat("x", 70), nil), 1<<20); err == nil {
		t.Error("a header that is none is accepted")
	}
}

func FuzzLayers(f *testing.F) {
	f.Add(npzOf("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", make([]byte, 8)))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := unpack(b, 1<<16)
		if err != nil {
			return
		}
		for name, x := range out {
			if x.Check() != nil {
				t.Errorf("%q does not fill its shape", name)
			}
		}
	})
}

func TestEncode(t *testing.T) {
	b, err := encode(map[string]any{"a": []float64{1, -2.5, 1e-30}, "b": []string{"[\n1,\n2]"}, "c": []int{}})
	want := "{\n  \"a\": [1, -2.5, 1e-30],\n  \"b\": [\n    \"[\\n1,\\n2]\"\n  ],\n  \"c\": []\n}\n"
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}
