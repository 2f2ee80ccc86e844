package pretrain_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestRBMMistakes gives RBM phases what they refuse before a row is read, each with
// its line.
func TestRBMMistakes(t *testing.T) {
	data := rows(40)
	phase := func(change func(*train.Options), l ...spec.Layer) *pretrain.RBMPhase {
		if l == nil {
			l = []spec.Layer{spec.Dense(5), spec.Sigmoid(), spec.Dense(3)}
		}
		o := options()
		if change != nil {
			change(&o)
		}
		return pretrain.RBM(spec.Input("x", 12), spec.Sequential("encoder", l...), data, o)
	}
	var none *pretrain.RBMPhase
	loose, unplaced := spec.Sequential("encoder", spec.Dense(5), spec.Sigmoid()), spec.Sequential("encoder", spec.Dense(5))
	for name, c := range map[string]struct {
		p    *pretrain.RBMPhase
		want string
	}{
		"nil":       {none.CD(2), "is nil"},
		"no stack":  {pretrain.RBM(spec.Input("x", 12), nil, data, options()), "RBM: the value and the stack must not be nil"},
		"no rows":   {pretrain.RBM(spec.Input("x", 12), spec.Sequential("e", spec.Dense(3)), nil, options()), "there are no rows"},
		"no mirror": {phase(nil, spec.Dense(5), spec.Sigmoid(), spec.Residual("r", spec.Dense(5))), "a layer of kind Residual has no mirror image"},
		"rectified": {phase(nil, spec.Dense(5), spec.ReLU()), "ReLU follows it; the hidden units of an RBM are bits"},
		"linear":    {phase(nil, spec.Dense(5), spec.Dense(3)), "the units below it, of encoder/dense1, are linear"},
		"no bias":   {phase(nil, spec.Dense(5).NoBias(), spec.Sigmoid()), "both layers need a bias"},
		"untied":    {pretrain.RBM(spec.Input("x", 12), loose, data, options()).Decoder(spec.Mirror("d", loose)), "so the mirror must be Tied"},
		"other":     {phase(nil).Decoder(spec.Mirror("d", unplaced).Tied()), "Mirror: the layer made at"},
		"steps":     {phase(nil).CD(0), "Gibbs steps must be in [1, 1000], got 0"},
		"chains":    {phase(nil).Persistent(0), "chains must be in [1, 65536], got 0"},
		"target":    {phase(nil).Sparse(2, 1), "target of Sparse must be between 0 and 1, got 2"},
		"all real":  {phase(nil, spec.Dense(5)).Gaussian(), "cannot both be real numbers"},
		"stage":     {phase(nil).Stage(3, options()), "RBM: Stage: the stack has stages 1 to 2, got 3"},
		"epochs":    {phase(nil).Stage(2, train.Options{}), "Options.Epochs is required"},
		"pictures":  {pretrain.RBM(spec.Input("x", 3, 4), spec.Sequential("encoder", spec.Dense(5), spec.Sigmoid()), data, options()), "put a spec.Flatten before the first Dense layer"},
		"freeze":    {phase(func(o *train.Options) { o.Freeze = []string{"encoder"} }), "but a stage trains one layer"},
		"patience":  {phase(func(o *train.Options) { o.Patience, o.Valid = 3, data }), "does not say when it is best; set Epochs"},
		"metrics":   {phase(func(o *train.Options) { o.Metrics = []train.Metric{{Name: "m"}} }), "RBM: Options.Metrics must be empty"},
		"start":     {phase(func(o *train.Options) { o.InitFrom = []train.From{{}} }), "RBM: Options.InitFrom must be empty"},
		"ranks":     {phase(func(o *train.Options) { o.Shards, o.Cluster = 2, train.Local(2) }).Persistent(5), `Options.Shards is 2, but the state "encoder/dense1/contrast/chains" is made where the rows are`},
		"sparse":    {phase(func(o *train.Options) { o.Accumulate = 2 }).Sparse(0.1, 1), `layer "loss/klsparsity1": Max: it is not linear in a sum or mean over the rows`},
	} {
		err := pretrain.NewProgram("p", c.p).Err()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		} else if name != "nil" && !strings.Contains(err.Error(), "rbm_mistakes_test.go:") {
			t.Errorf("%s: the error has no line: %v", name, err)
		}
	}
	// What may be given.
	flat := pretrain.RBM(spec.Input("x", 3, 4), spec.Sequential("encoder", spec.Flatten(), spec.Dense(5), spec.Sigmoid()), dataset.Source(data), options())
	for name, p := range map[string]*pretrain.RBMPhase{
		"flatten": flat, "accumulate": phase(func(o *train.Options) { o.Accumulate = 2 }), "accumulated chains": phase(func(o *train.Options) { o.Accumulate = 2 }).Persistent(5), "chains of shards": phase(func(o *train.Options) { o.Shards = 2 }).Persistent(5), "code": phase(nil).Persistent(3).CD(2).Sparse(0.1, 1).Sampled(),
		"real": phase(nil, spec.Dense(5), spec.Sigmoid()).Gaussian(),
	} {
		if err := pretrain.NewProgram("p", p).Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := none.Machines(nil); err == nil {
		t.Error("machines of nothing are no mistake")
	}
}
