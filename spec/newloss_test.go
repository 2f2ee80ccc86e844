package spec_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// crossed is a loss as a user writes one: mean of p·q.
func crossed(p, q *spec.Value) *spec.Loss { return spec.NewLoss("crossed", spec.Mul(p, q)) }

func TestNewLoss(t *testing.T) {
	p, q := spec.Input("p", 2), spec.Input("q", 2)
	m := spec.NewModel("m", crossed(p, q).Weight(2), crossed(p, p))
	got := evaluate(t, m, 2, map[string]*ir.Tensor{
		"p": f64([]int{2, 2}, 1, 2, -3, 0.5),
		"q": f64([]int{2, 2}, 0, 1, 1, 0.25),
	})
	first, second := (0+2-3+0.125)/4, (1+4+9+0.25)/4
	for name, want := range map[string]float64{"loss/crossed1": first, "loss/crossed2": second, "loss": 2*first + second} {
		if x := got[name]; x == nil || math.Abs(x.F64[0]-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, x, want)
		}
	}
}

func TestNewLossMistakes(t *testing.T) {
	p := spec.Input("p", 2)
	m := spec.NewModel("m",
		spec.NewLoss("two words", p),
		spec.NewLoss("counts", spec.Labels("y", 3)),
		spec.NewLoss("none", nil),
		crossed(p, spec.Input("q", 3)))
	var e *spec.Error
	if !errors.As(m.Err(), &e) || !strings.HasSuffix(e.Made.File, "newloss_test.go") {
		t.Fatalf("error is %v", m.Err())
	}
	for _, want := range []string{
		`newloss_test.go:34: NewLoss: kind: a name is a letter or _, then letters, digits, _, - and ., got "two words"`,
		`newloss_test.go:35: loss counts: the value must be f32[], one number, or f32[N …], one for each row or each of its elements, got i64[N]`,
		`newloss_test.go:36: NewLoss: the value is nil`,
		`newloss_test.go:14 (from newloss_test.go:37): layer "mul1": Mul: lengths 2 and 3`,
	} {
		if !strings.Contains(m.Err().Error(), want) {
			t.Errorf("%q is not in\n%v", want, m.Err())
		}
	}
}
