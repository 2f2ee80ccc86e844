package train

import (
	"context"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// centreGap is how far a coordinate of a centre is kept away from 0 (Ruff et al. 2018,
// section 3.3, do so; 0.1 is in their program).
const centreGap = 0.1

// Centre returns the centre for [spec.OneClass]: the mean, over all rows, of the code that
// the net computes, f32[N units], with each coordinate between -0.1 and 0.1 moved to the
// nearer of the two, and 0 to 0.1 (Ruff et al. 2018). The net is that of a pretrained
// encoder, or [Untrained]; the training that follows must start from the same weights.
//
// Errors: the net has several outputs, or none that is f32[N units]; there are no rows; a
// code that is not finite, with its row; those of the net, the rows and the context.
func Centre(ctx context.Context, net *engine.Net, rows dataset.Source) ([]float64, error) {
	if err := net.Err(); err != nil {
		return nil, err
	}
	out := net.Outputs()
	if len(out) != 1 || out[0].Type.DType != ir.F32 || out[0].Type.Rank() != 2 || !out[0].Type.Shape.RowWise() || out[0].Type.Shape[1:].Symbolic() {
		return nil, fmt.Errorf("train: Centre: the net must have one output, a code f32[N units], got %d, the first %s", len(out), out[0].Type)
	}
	if rows == nil || rows.Len() == 0 {
		return nil, fmt.Errorf("train: Centre: there are no rows to take the mean of")
	}
	centre := make([]float64, out[0].Type.Last())
	n := 0
	err := net.Each(ctx, rows, func(b dataset.Batch, made map[string]*ir.Tensor) error {
		for i, v := range made[out[0].Name].F32 {
			if v-v != 0 {
				return fmt.Errorf("train: Centre: the code of row %d is %v", n+i/len(centre), v)
			}
			centre[i%len(centre)] += float64(v)
		}
		n += b.Rows
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range centre {
		if centre[i] /= float64(n); math.Abs(centre[i]) < centreGap {
			centre[i] = math.Copysign(centreGap, centre[i]+0)
		}
	}
	return centre, nil
}

// Untrained returns the function that computes these values with the parameters and the
// state with which a training with that Seed starts, unless Options.InitFrom gives others.
//
// A mistake is kept in the Net, as by [Result.Net].
func Untrained(seed uint64, values ...*spec.Value) *engine.Net {
	net, err := untrained(seed, values)
	if err != nil {
		return engine.ErrNet(err)
	}
	return net
}

func untrained(seed uint64, values []*spec.Value) (*engine.Net, error) {
	g, params, err := spec.GraphOf("untrained", values...)
	if err != nil {
		return nil, err
	}
	states, err := spec.StatesOf(values...)
	if err != nil {
		return nil, err
	}
	own := map[string][]float32{}
	for _, p := range params {
		own[p.Name] = p.Initial(random.New(seed))
	}
	for i, s := range states {
		if how, ok := s.Fitted(); ok {
			return nil, fmt.Errorf("train: Untrained: %q is the %s of training rows, and without a training there are none: take the Net of a training of the same layers, such as an autoencoder's, or give the layer its numbers as spec.Data in place of what is fitted", s.Name, how)
		}
		own[g.State[i].In.Name] = s.Initial(random.New(seed))
	}
	return bareNet(g, own)
}

// bareNet returns the function of a graph with these parameters and state, without a record.
func bareNet(g *ir.Graph, own map[string][]float32, kernels ...engine.Maker) (*engine.Net, error) {
	compiler.StateAsParams(g)
	g, err := compiler.Front(g, true)
	if err != nil {
		return nil, err
	}
	pl, err := compiler.CompileGraph(g, compiler.Options{Rows: netRows})
	if err != nil {
		return nil, err
	}
	return engine.NewNet(g, pl, own, engine.Record{}, kernels...)
}
