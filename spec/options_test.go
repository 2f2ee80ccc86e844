package spec_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// optioned has a value of each type with options, each made anew by a call.
func optioned() map[string]func() any {
	x := func() *spec.Value { return spec.Input("x", 4, 3) }
	noisy := func() *spec.Value { return x().Then(spec.MaskingNoise(0.5)) }
	return map[string]func() any{
		"ActivationLayer": func() any { return spec.ReLU() }, "LeakyReLULayer": func() any { return spec.LeakyReLU() },
		"ELULayer": func() any { return spec.ELU() }, "SoftmaxLayer": func() any { return spec.Softmax(0) },
		"BetweenLayer":    func() any { x := spec.Input("x", 3); return spec.Between("again", x, x.Then(spec.Dense(2))) },
		"AverageLayer":    func() any { return spec.Average(spec.Dense(2), 0.9) },
		"SequentialLayer": func() any { return spec.Sequential("s", spec.Dense(2)) },
		"ResidualLayer":   func() any { return spec.Residual("r", spec.Dense(3)) },
		"FuncLayer":       func() any { return spec.Func("f", func(x *spec.Value) *spec.Value { return x }) },
		"DenseLayer":      func() any { return spec.Dense(2) }, "TiedLayer": func() any { return spec.Tied(spec.Dense(2)) },
		"KSparseLayer": func() any { return spec.KSparse(1) }, "MirrorLayer": func() any { return spec.Mirror("m", spec.Dense(2)) },
		"MaskingNoiseLayer": func() any { return spec.MaskingNoise(0.5) }, "GaussianNoiseLayer": func() any { return spec.GaussianNoise(1) },
		"SaltAndPepperLayer": func() any { return spec.SaltAndPepper(0.1) }, "DropoutLayer": func() any { return spec.Dropout(0.1) },
		"LayerNormLayer": func() any { return spec.LayerNorm() }, "RMSNormLayer": func() any { return spec.RMSNorm() },
		"GroupNormLayer": func() any { return spec.GroupNorm(1) }, "QueueLayer": func() any { return spec.Queue(3) },
		"FlattenLayer": func() any { return spec.Flatten() }, "ReshapeLayer": func() any { return spec.Reshape(12) },
		"FloatsLayer": func() any { return spec.Floats() }, "L2NormalizeLayer": func() any { return spec.L2Normalize() },
		"BatchNormLayer":     func() any { return spec.BatchNorm() },
		"StandardiseLayer":   func() any { return spec.Standardise() },
		"ClipQuantilesLayer": func() any { return spec.ClipQuantiles(0.01, 0.99) },
		"FillMissingLayer":   func() any { return spec.FillMissing() },
		"EmbeddingLayer":     func() any { return spec.Embedding(4, 2) },
		"EmbeddingsLayer":    func() any { return spec.Embeddings([]int{4, 3}, 2) },
		"ConvLayer":          func() any { return spec.Conv(2, 3).Pad(1) }, "ConvTransposeLayer": func() any { return spec.ConvTranspose(2, 3).Pad(1) },
		"PoolLayer": func() any { return spec.AveragePool(2).Pad(1) }, "UpsampleLayer": func() any { return spec.Upsample(2) },
		"GlobalPoolLayer":      func() any { return spec.GlobalMaxPool() },
		"PadLayer":             func() any { return spec.Pad(1) },
		"CropLayer":            func() any { return spec.Crop(1) },
		"DepthLayer":           func() any { return spec.DepthToSpace(2) },
		"NetworkLayer":         func() any { return spec.LeNet("n") },
		"SquaredDistanceLayer": func() any { return spec.SquaredDistance([]float64{1, 2}) },
		"PredictedLayer":       func() any { return spec.Predicted() },
		"IntegratedGradientsLayer": func() any {
			return spec.IntegratedGradients(4, func(x *spec.Value, _ ...*spec.Value) *spec.Value { return x })
		},
		"FormulaLayer": func() any { return spec.Exp() }, "ReduceLayer": func() any { return spec.Sum(0) },
		"Boltzmann": func() any { d := spec.Dense(2); return spec.RBM(d, spec.Tied(d)) },
		"Value":     func() any { return x() },
		"Loss":      func() any { n := noisy(); return spec.CrossEntropy(n.Then(spec.Dense(3)), n) },
		"VariationalModel": func() any {
			return spec.Variational("v", x(), spec.Flatten(), 2, spec.Layers(spec.Dense(12), spec.Reshape(4, 3)))
		},
	}
}

// notOptions are methods that return their receiver's type and set nothing.
var notOptions = map[string]bool{"Value.Then": true, "Value.Result": true, "Value.Optional": true} // the last is of the input

// argument returns a value of a type, for an option.
func argument(t *testing.T, typ reflect.Type, receiver any) reflect.Value {
	switch typ {
	case reflect.TypeFor[spec.Init]():
		return reflect.ValueOf(spec.Constant(0.25))
	case reflect.TypeFor[optim.Schedule]():
		return reflect.ValueOf(optim.Cosine(1))
	case reflect.TypeFor[*spec.ConvLayer]():
		return reflect.ValueOf(spec.Conv(3, 3))
	case reflect.TypeFor[spec.Layer]():
		return reflect.ValueOf(spec.Dense(3))
	case reflect.TypeFor[*spec.Value]():
		return reflect.ValueOf(spec.Input("other", 4, 3).Then(spec.MaskingNoise(0.5)))
	}
	v := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.String:
		v.SetString("T")
	case reflect.Int:
		v.SetInt(2)
	case reflect.Float64:
		v.SetFloat(0.75)
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("no argument of type %s for an option of %T", typ, receiver)
	}
	return v
}

// TestOptionsCopy walks every option of the package: each returns a copy with something
// set, and leaves what it was called on as it was.
func TestOptionsCopy(t *testing.T) {
	makers, seen := optioned(), map[string]bool{}
	for name, made := range makers {
		self := reflect.TypeOf(made())
		for i := range self.NumMethod() {
			m := self.Method(i)
			key := name + "." + m.Name
			if m.Type.NumOut() != 1 || m.Type.Out(0) != self || notOptions[key] {
				continue
			}
			seen[key] = true
			before := made()
			was := flat(before)
			in := []reflect.Value{reflect.ValueOf(before)}
			for j := 1; j < m.Type.NumIn(); j++ {
				typ := m.Type.In(j)
				if m.Type.IsVariadic() && j == m.Type.NumIn()-1 {
					typ = typ.Elem()
				}
				in = append(in, argument(t, typ, before))
			}
			out := m.Func.Call(in)[0]
			if out.Interface() == before {
				t.Errorf("%s returns what it was called on and no copy", key)
			}
			if is := flat(before); is != was {
				t.Errorf("%s changes what it was called on:\n%s\n%s", key, was, is)
			}
			if flat(out.Interface()) == was {
				t.Errorf("%s sets nothing", key)
			}
		}
	}
	for key := range options(t) {
		if !seen[key] {
			t.Errorf("%s is an option that no value above has", key)
		}
	}
}

// TestCopiesAreLayersOfTheirOwn makes copies of layers that something was done with, or
// that were wrong.
func TestCopiesAreLayersOfTheirOwn(t *testing.T) {
	stack := spec.Sequential("s", spec.Dense(2))
	mirror := spec.MirrorOf(stack, true)
	if spec.MirrorOf(stack, true) != mirror || spec.MirrorOf(stack.Named("t"), true) == mirror {
		t.Error("the mirror of a stack is that of its copy too")
	}
	x := spec.Input("x", 3)
	pattern := spec.Dense(3).NoBias()
	y := x.Then(pattern.Named("a"), pattern.Named("b"), pattern)
	_, params, err := spec.GraphOf("g", y)
	if err != nil || len(params) != 3 {
		t.Errorf("three layers of one pattern have %d parameters (%v)", len(params), err)
	}
	err = x.Then(spec.Dense(3).Named("two words").NoBias()).Err()
	if err == nil || strings.Count(err.Error(), "two words") != 1 || !strings.Contains(err.Error(), `layer "dense2": Dense: a name is a letter`) {
		t.Errorf("got %v", err)
	}
}

// flat writes the fields of a value, and those of a layer's identity.
func flat(x any) string {
	var b strings.Builder
	if v, ok := x.(*spec.Value); ok {
		b.WriteString(v.Type().String() + "; ")
	}
	v := reflect.ValueOf(x).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		b.WriteString(v.Type().Field(i).Name + "=")
		switch v.Type().Field(i).Name {
		case "Base": // its identity: kind and name
			st := f.Field(0).Elem()
			b.WriteString(st.FieldByName("kind").String() + " " + st.FieldByName("name").String())
		case "sp", "made", "at", "placed": // where it stands, and not what it is
		case "Model":
			continue // compared by its parts
		default:
			b.WriteString(show(f))
		}
		b.WriteString("; ")
	}
	return b.String()
}

// show writes what an option may set; pointers by what they point to, without following
// it.
func show(f reflect.Value) string {
	switch f.Kind() {
	case reflect.Interface:
		if !f.IsNil() {
			return f.Elem().Type().String() + " " + show(f.Elem())
		}
	case reflect.Struct:
		s := "{"
		for i := range f.NumField() {
			s += show(f.Field(i)) + " "
		}
		return s + "}"
	}
	return fmt.Sprint(f)
}

// options returns the exported methods that return their receiver's type, by the source.
func options(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	pkgs, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pkgs["spec"].Files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
				continue
			}
			recv := star(f.Recv.List[0].Type)
			if key := recv + "." + f.Name.Name; ast.IsExported(recv) && star(f.Type.Results.List[0].Type) == recv && !notOptions[key] {
				out[key] = true
			}
		}
	}
	return out
}
