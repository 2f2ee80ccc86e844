package spectest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// differentiated has every layer of package spec whose gradient ships, with the lengths
// of a row that it takes.
var differentiated = map[string]struct {
	layers func() []spec.Layer
	dims   []int
}{
	"Between": {one(func() spec.Layer {
		a := spec.Input("a", 6)
		return spec.Between("again", a, a.Then(spec.Dense(4), spec.Tanh()))
	}), []int{6}},
	"ReLU":          {one(func() spec.Layer { return spec.ReLU() }), []int{6}},
	"SELU":          {one(func() spec.Layer { return spec.SELU() }), []int{6}},
	"GELU":          {one(func() spec.Layer { return spec.GELU() }), []int{6}},
	"SiLU":          {one(func() spec.Layer { return spec.SiLU() }), []int{6}},
	"HardSwish":     {one(func() spec.Layer { return spec.HardSwish() }), []int{6}},
	"Sigmoid":       {one(func() spec.Layer { return spec.Sigmoid() }), []int{6}},
	"Tanh":          {one(func() spec.Layer { return spec.Tanh() }), []int{6}},
	"Softplus":      {one(func() spec.Layer { return spec.Softplus() }), []int{6}},
	"LeakyReLU":     {one(func() spec.Layer { return spec.LeakyReLU() }), []int{6}},
	"ELU":           {one(func() spec.Layer { return spec.ELU() }), []int{6}},
	"Softmax":       {one(func() spec.Layer { return spec.Softmax(-1) }), []int{6}},
	"Dense":         {one(func() spec.Layer { return spec.Dense(4) }), []int{6}},
	"LayerNorm":     {one(func() spec.Layer { return spec.LayerNorm() }), []int{6}},
	"RMSNorm":       {one(func() spec.Layer { return spec.RMSNorm() }), []int{6}},
	"BatchNorm":     {one(func() spec.Layer { return spec.BatchNorm() }), []int{6}},
	"GroupNorm":     {one(func() spec.Layer { return spec.GroupNorm(2) }), []int{6}},
	"InstanceNorm":  {one(func() spec.Layer { return spec.InstanceNorm() }), []int{3, 4}},
	"KSparse":       {one(func() spec.Layer { return spec.KSparse(2) }), []int{6}},
	"Flatten":       {one(func() spec.Layer { return spec.Flatten() }), []int{2, 3}},
	"Reshape":       {one(func() spec.Layer { return spec.Reshape(3, 2) }), []int{6}},
	"L2Normalize":   {one(func() spec.Layer { return spec.L2Normalize() }), []int{6}},
	"Dropout":       {one(func() spec.Layer { return spec.Dropout(0.5) }), []int{6}},
	"MaskingNoise":  {one(func() spec.Layer { return spec.MaskingNoise(0.5) }), []int{6}},
	"GaussianNoise": {one(func() spec.Layer { return spec.GaussianNoise(0.5) }), []int{6}},
	"SaltAndPepper": {one(func() spec.Layer { return spec.SaltAndPepper(0.5) }), []int{6}},
	"Sequential":    {one(func() spec.Layer { return spec.Sequential("s", spec.Dense(4), spec.Tanh()) }), []int{6}},
	"Layers":        {one(func() spec.Layer { return spec.Layers(spec.Dense(4), spec.Tanh()) }), []int{6}},
	"Residual":      {one(func() spec.Layer { return spec.Residual("r", spec.Dense(6), spec.ReLU()) }), []int{6}},
	"Repeat": {one(func() spec.Layer {
		return spec.Repeat("r", 2, func(int) spec.Layer { return spec.Layers(spec.Dense(6), spec.Tanh()) })
	}), []int{6}},
	"Func": {one(func() spec.Layer {
		return spec.Func("f", func(x *spec.Value) *spec.Value { return spec.Mul(x, x) })
	}), []int{6}},
	"Shared": {func() []spec.Layer {
		d := spec.Dense(6)
		return []spec.Layer{d, spec.Tanh(), spec.Shared(d)}
	}, []int{6}},
	"Tied": {func() []spec.Layer {
		d := spec.Dense(4)
		return []spec.Layer{d, spec.Tanh(), spec.Tied(d)}
	}, []int{6}},
	"Mirror": {func() []spec.Layer {
		d := spec.Sequential("e", spec.Dense(4), spec.Tanh())
		return []spec.Layer{d, spec.Mirror("d", d)}
	}, []int{6}},
	"Conv":              {one(func() spec.Layer { return spec.Conv(3, 3).Same().Stride(2) }), []int{2, 5, 4}},
	"DepthwiseConv":     {one(func() spec.Layer { return spec.DepthwiseConv(2, 3) }), []int{2, 5, 4}},
	"ConvTranspose":     {one(func() spec.Layer { return spec.ConvTranspose(3, 3).Stride(2).OutputPad(1) }), []int{2, 3, 4}},
	"MaxPool":           {one(func() spec.Layer { return spec.MaxPool(2) }), []int{2, 4, 6}},
	"AveragePool":       {one(func() spec.Layer { return spec.AveragePool(3).Stride(2).Pad(1) }), []int{2, 5, 4}},
	"Upsample":          {one(func() spec.Layer { return spec.Upsample(2).Linear() }), []int{2, 3, 4}},
	"GlobalAveragePool": {one(func() spec.Layer { return spec.GlobalAveragePool() }), []int{2, 3, 4}},
	"GlobalMaxPool":     {one(func() spec.Layer { return spec.GlobalMaxPool() }), []int{2, 3, 4}},
	"Dropout2D":         {one(func() spec.Layer { return spec.Dropout2D(0.5) }), []int{2, 3, 4}},
	"Pad":               {one(func() spec.Layer { return spec.Layers(spec.Pad(1, 0, 2, 1).Channels(1, 0), spec.Pad(1, 2).Reflect()) }), []int{2, 3, 4}},
	"Crop":              {one(func() spec.Layer { return spec.Crop(1, 0, 1, 2) }), []int{2, 3, 4}},
	"DepthToSpace":      {one(func() spec.Layer { return spec.DepthToSpace(2) }), []int{8, 3, 2}},
	"SpaceToDepth":      {one(func() spec.Layer { return spec.SpaceToDepth(2).ByChannel() }), []int{2, 4, 6}},
	"ConvEncoder":       {one(func() spec.Layer { return spec.ConvEncoder("e", 4, 3) }), []int{2, 5, 4}},
	"LeNet":             {one(func() spec.Layer { return spec.LeNet("n").Head(3) }), []int{1, 12, 12}},
	"a block of ResNet20": {one(func() spec.Layer {
		norm := func() spec.Layer { return spec.BatchNorm().Axis(0) }
		return spec.Residual("r", spec.Conv(4, 3).Pad(1).Stride(2).NoBias(), norm(), spec.ReLU(), spec.Conv(4, 3).Pad(1).NoBias(), norm()).
			Shortcut(spec.Conv(4, 1).Stride(2).NoBias(), norm())
	}), []int{2, 5, 4}},
	"SquaredDistance": {one(func() spec.Layer { return spec.SquaredDistance([]float64{1, -2, 0.5}) }), []int{3}},
	"Exp":             {one(func() spec.Layer { return spec.Layers(spec.Tanh(), spec.Exp()) }), []int{6}},
	"Log":             {one(func() spec.Layer { return spec.Layers(spec.Softplus(), spec.Shift(0.5), spec.Log()) }), []int{6}},
	"Sqrt":            {one(func() spec.Layer { return spec.Layers(spec.Softplus(), spec.Shift(0.5), spec.Sqrt()) }), []int{6}},
	"Abs":             {one(func() spec.Layer { return spec.Abs() }), []int{6}},
	"Square":          {one(func() spec.Layer { return spec.Square() }), []int{6}},
	"MeanSquare":      {one(func() spec.Layer { return spec.MeanSquare() }), []int{3, 4}},
	"Scale":           {one(func() spec.Layer { return spec.Scale(-1.5) }), []int{6}},
	"Shift":           {one(func() spec.Layer { return spec.Shift(0.25) }), []int{6}},
	"Slice":           {one(func() spec.Layer { return spec.Slice(0, 1, 4) }), []int{6}},
	"Permute":         {one(func() spec.Layer { return spec.Permute(1, 0) }), []int{2, 3}},
	"BatchMean":       {one(func() spec.Layer { return spec.BatchMean() }), []int{6}},
	"BatchSum":        {one(func() spec.Layer { return spec.BatchSum() }), []int{6}},
	"Sum":             {one(func() spec.Layer { return spec.Sum(0) }), []int{6}},
	"Mean":            {one(func() spec.Layer { return spec.Mean(1).Keep() }), []int{3, 4}},
	"Max":             {one(func() spec.Layer { return spec.Max(0) }), []int{6}},
	"Normalize":       {one(func() spec.Layer { return spec.Normalize([]float64{0.5, -1}, []float64{0.25, 2}) }), []int{2, 3}},
	"StopGradient": {one(func() spec.Layer { // one factor of two stays what it is
		return spec.Func("f", func(x *spec.Value) *spec.Value { return spec.Mul(x, x.Then(spec.StopGradient())) })
	}), []int{6}},
	"Standardise":    {one(func() spec.Layer { return spec.Layers(spec.Scale(0.5), spec.Standardise()) }), []int{6}},
	"MinMax":         {one(func() spec.Layer { return spec.Layers(spec.Scale(0.5), spec.MinMax()) }), []int{6}},
	"Clip":           {one(func() spec.Layer { return spec.Clip(-0.75, 0.8) }), []int{6}},
	"ClipQuantiles":  {one(func() spec.Layer { return spec.Layers(spec.ClipQuantiles(0.1, 0.9), spec.Shift(1)) }), []int{6}},
	"LogScale":       {one(func() spec.Layer { return spec.LogScale() }), []int{6}},
	"LogScaleUndone": {one(func() spec.Layer { return spec.Layers(spec.Tanh(), spec.LogScaleUndone()) }), []int{6}},
	"FillMissing":    {one(func() spec.Layer { return spec.FillMissing().Indicator() }), []int{6}},
	"LogMel":         {one(func() spec.Layer { return spec.LogMel(16, 8, 4, 2) }), []int{20}},
	"IntegratedGradients": {one(func() spec.Layer {
		d := spec.Dense(3)
		return spec.IntegratedGradients(4, func(x *spec.Value, _ ...*spec.Value) *spec.Value { return x.Then(d, spec.Tanh()) })
	}), []int{6}},
}

// undifferentiated has the others, with the reason.
var undifferentiated = map[string]string{
	"Average":       "the layer that it averages, with averages for weights, which only a training has",
	"Queue":         "its rows are state, which no gradient reaches",
	"Predicted":     "it goes by steps",
	"Above":         "it goes by steps",
	"PredictionSet": "it goes by steps",
	"Unsure":        "it goes by steps",
	"Floats":        "it takes integers, along which nothing has a slope",
	"OneHot":        "it takes integers, along which nothing has a slope",
	"Untie":         "a Mirror",
	"MirrorOf":      "a Mirror",
	"ResNet20":      "blocks of which one is above",
	"ResNet32":      "ResNet20 with more blocks",
	"ResNet18":      "ResNet20 with wider blocks",
	"OneHotIDs":     "it takes integers, along which nothing has a slope",
	"Ordinal":       "it takes integers, along which nothing has a slope",
	"Embedding":     "it takes integers, along which nothing has a slope",
	"Embeddings":    "it takes integers, along which nothing has a slope",
	"Present":       "it goes by steps",
}

func one(f func() spec.Layer) func() []spec.Layer {
	return func() []spec.Layer { return []spec.Layer{f()} }
}

// TestGradientsOfLayersShip exports the gradient of every layer along its input, and
// holds the file on onnxruntime against Lamina's engine, in a bundle.
func TestGradientsOfLayersShip(t *testing.T) {
	rt := orttest.Runtime(t)
	for name, c := range differentiated {
		t.Run(name, func(t *testing.T) {
			x := spec.Input("x", c.dims...)
			y := x.Then(c.layers()...)
			// Cubes, as the sum of a Softmax has no slope, and the squares of L2Normalize none.
			slope := spec.Grad(spec.Mul(y, spec.Mul(y, y)), x).Named("slope")
			g, params, err := spec.GraphOf("g", slope)
			if err != nil {
				t.Fatal(err)
			}
			states, err := spec.StatesOf(slope)
			if err != nil {
				t.Fatal(err)
			}
			own := map[string][]float32{}
			for i, st := range states { // as a Net has it
				v := g.State[i].In
				own[v.Name], v.Kind = st.Initial(random.New(5)), ir.ParamValue
				g.Params = append(g.Params, v)
			}
			g.State = nil
			if g, err = compiler.Front(g, true); err != nil {
				t.Fatal(err)
			}
			pl, err := compiler.CompileGraph(g, compiler.Options{Rows: 64})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range params {
				own[p.Name] = p.Initial(random.New(5))
			}
			net, err := engine.NewNet(g, pl, own, engine.Record{})
			if err != nil {
				t.Fatal(err)
			}
			key := random.New(9)
			rows := dataset.From(make([]int, 20), func(_ int, row dataset.Row) {
				key = key.Derive(1)
				for i, dst := 0, row.F32Slice("x"); i < len(dst); i++ {
					dst[i] = float32(key.Normal(uint64(i)))
				}
			}, dataset.Column{Name: "x", DType: dataset.F32, Shape: c.dims})
			if _, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "b"), net, rows, rt); err != nil {
				t.Error(err)
			}
		})
	}
	for _, name := range constructors(t) {
		if _, ok := differentiated[name]; ok == (undifferentiated[name] != "") {
			t.Errorf("the gradient of %s must be shipped here, or a reason given why not", name)
		}
	}
}

// constructors returns the functions of package spec that make a layer.
func constructors(t *testing.T) []string {
	t.Helper()
	pkgs, err := parser.ParseDir(token.NewFileSet(), "..", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range pkgs["spec"].Files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
				continue
			}
			of := f.Type.Results.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if id, ok := of.(*ast.Ident); ok && strings.HasSuffix(id.Name, "Layer") {
				names = append(names, f.Name.Name)
			}
		}
	}
	if len(names) < 30 {
		t.Errorf("found only %v", names)
	}
	return names
}
