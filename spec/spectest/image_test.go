package spectest_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// mirrored is a dense layer of a test, with an image that is a function.
type mirrored struct {
	spec.Base
	units int
	of    *mirrored
	tied  bool
	image func(l *mirrored, in ir.Type, tied bool) spec.Image
	fresh bool // does not start as what it mirrors
}

func newMirrored(units int, image func(l *mirrored, in ir.Type, tied bool) spec.Image) *mirrored {
	return &mirrored{Base: spec.Here("mirrored"), units: units, image: image}
}

func (l *mirrored) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if l.tied {
		return b.Op(ops.MatMul{}, x[0], b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, b.Borrow(l.of, "w")))
	}
	w := b.Param("w", spec.Glorot(), x[0].Type.Last(), l.units)
	if l.of != nil && !l.fresh {
		b.StartTransposed(w, l.of, "w")
	}
	return b.Op(ops.MatMul{}, x[0], w)
}

func (l *mirrored) Image(in ir.Type, tied bool) spec.Image { return l.image(l, in, tied) }

// transposed is the image that such a layer should have.
func transposed(l *mirrored, in ir.Type, tied bool) spec.Image {
	return spec.UndoneBy(&mirrored{Base: spec.Here("mirrored"), units: in.Last(), of: l, tied: tied})
}

func TestImage(t *testing.T) {
	spectest.Layer(t, func() spec.Layer { return newMirrored(4, transposed) }, 5)
	spectest.Layer(t, func() spec.Layer {
		return spec.Layers(newMirrored(4, transposed), spec.ELU(), spec.KSparse(2), spec.Reshape(2, 2))
	}, 5)
}

// TestImageFails holds that each thing looked at can fail, and that a layer may say
// that it has no image.
func TestImageFails(t *testing.T) {
	for name, c := range map[string]struct {
		image func(l *mirrored, in ir.Type, tied bool) spec.Image
		want  string
		fails bool
	}{
		"untied only": {func(l *mirrored, in ir.Type, tied bool) spec.Image {
			if tied {
				return spec.NoImage("it has no transpose")
			}
			return transposed(l, in, tied)
		}, "the tied mirror image: none: ", false},
		"type": {func(l *mirrored, in ir.Type, _ bool) spec.Image {
			return spec.UndoneBy(spec.Dense(in.Last() + 1))
		}, "it gives f32[N 6] where f32[N 5] came in", true},
		"nil": {func(*mirrored, ir.Type, bool) spec.Image { return spec.UndoneBy(nil) }, "gave a nil layer", true},
		"start": {func(l *mirrored, in ir.Type, tied bool) spec.Image {
			return spec.UndoneBy(&mirrored{Base: spec.Here("mirrored"), units: in.Last(), of: l, tied: tied, fresh: true})
		}, "the untied mirror image does not start as the tied one", true},
		"gradient": {func(l *mirrored, in ir.Type, _ bool) spec.Image {
			return spec.UndoneBy(of(func(b *spec.Builder, x *ir.Value) *ir.Value {
				return b.Op(squashed{}, b.Op(ops.MatMul{}, x, b.Param("w", spec.Glorot(), x.Type.Last(), in.Last())))
			}))
		}, "the gradient of ", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &failing{recorder: recorder{TB: t}}
			spectest.Layer(r, func() spec.Layer { return newMirrored(4, c.image) }, 5)
			if !strings.Contains(r.report.String(), c.want) || r.failed != c.fails {
				t.Errorf("failed: %v; reported\n%s\nwant %q", r.failed, r.report.String(), c.want)
			}
		})
	}
}

// failing is a recorder that knows whether a test would have failed.
type failing struct {
	recorder
	failed bool
}

func (r *failing) Errorf(format string, a ...any) { r.failed = true; r.recorder.Errorf(format, a...) }
func (r *failing) Error(a ...any)                 { r.failed = true; r.recorder.Error(a...) }
