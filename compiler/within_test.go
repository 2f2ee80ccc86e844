package compiler

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestCompileWithin: a plan has the rows asked for where they fit, fewer where not, and
// one where nothing does.
func TestCompileWithin(t *testing.T) {
	g, err := ir.Parse(`g (f32[N 100] x) => (y) <f32[100 50] w, f32[50 100] v> {
		f32[N 50] a = MatMul(x, w)
		f32[N 50] b = Relu(a)
		f32[N 100] c = MatMul(b, v)
		f32[N 100] y = Tanh(c)
	}`, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := CompileGraph(g, Options{Rows: 256})
	if err != nil {
		t.Fatal(err)
	}
	all := whole.ArenaBytes
	for _, c := range []struct{ bytes, least, most int }{
		{all, 256, 256}, {all - 1, 128, 255}, {all / 2, 64, 128}, {all / 100, 1, 3}, {1, 1, 1},
	} {
		p, err := CompileWithin(g, Options{Rows: 256}, c.bytes)
		if err != nil {
			t.Fatal(err)
		}
		rows := p.Capacity.Rows()
		if rows < c.least || rows > c.most || rows > 1 && p.ArenaBytes > c.bytes {
			t.Errorf("within %d of %d bytes there are %d rows, which take %d; %d to %d were expected", c.bytes, all, rows, p.ArenaBytes, c.least, c.most)
		}
	}
}
