package spectest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// rows runs the trained layer on several numbers of rows, holds the results
// against the reference, and each row against itself in another batch.
func (s *subject) rows(net *engine.Net) {
	s.Helper()
	const most = 7
	all := s.run(net, s.tensors(most)["input"])
	if all == nil {
		return
	}
	width := all.Len() / most
	for _, n := range []int{1, 2, most} {
		in := s.tensors(n)["input"]
		out := s.run(net, in)
		if out == nil {
			return
		}
		if want := append([]int{n}, s.target...); !slices.Equal(out.Shape, want) {
			s.Errorf("%d rows give shape %v, declared is %v", n, out.Shape, want)
			return
		}
		for i, x := range out.F32 {
			if x != all.F32[i] && (x == x || all.F32[i] == all.F32[i]) {
				s.Errorf("row %d is another among %d rows than among %d: the rows of a layer that ships must not depend on each other (element %d is %v and %v)",
					i/width, n, most, i%width, x, all.F32[i])
				return
			}
		}
		given := map[string]*ir.Tensor{"input": in}
		for name, w := range net.Params() {
			given[name] = &ir.Tensor{DType: ir.F32, F32: w}
		}
		for _, p := range net.Graph().Params {
			given[p.Name].Shape = p.Type.Shape.Lengths()
		}
		est, err := verify.Bound(net.Graph(), &ir.Env{Binding: ir.RowsOf(n), UpdateRows: n}, given)
		if err != nil {
			s.Errorf("the reference: %v", err)
			return
		}
		e := est[outputs(net.Graph())["output"]]
		if d := verify.Compare(out, e.Value.To(out.DType), e); d.Bad > 0 {
			s.Errorf("%d rows: %d elements of the trained layer are not what its ops mean: %s", n, d.Bad, d.First)
			return
		}
	}
}

// run returns the layer's result, nil after a failure.
func (s *subject) run(net *engine.Net, x *ir.Tensor) *ir.Tensor {
	s.Helper()
	out, err := net.Run(s.Context(), map[string]*ir.Tensor{"input": x})
	if err != nil {
		s.Errorf("the trained layer on %d rows: %v", x.Shape[0], err)
		return nil
	}
	return out["output"]
}

// export writes a bundle, which executes and compares the file.
func (s *subject) export(net *engine.Net) {
	s.Helper()
	rows, err := s.data(64)
	if err != nil {
		s.Error(err)
		return
	}
	dir := filepath.Join(s.TempDir(), "bundle")
	_, err = bundle.Write(s.Context(), dir, net, rows, ort.Runtime())
	switch {
	case errors.Is(err, bundle.ErrUnverified) && !errors.Is(err, ort.ErrSetting) && os.Getenv("LAMINA_REQUIRE_ORT") != "1":
		s.Logf("the exported layer was not executed: %v", err)
		return
	case err != nil:
		s.Errorf("export: %v", err)
		return
	}
	v, err := bundle.Verify(s.Context(), dir, ort.Runtime())
	if err != nil || v.Status != bundle.Holds {
		s.Errorf("the bundle does not hold: %v %+v", err, v)
	}
}
