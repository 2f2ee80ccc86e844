//go:build cgo && !windows

package ort

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	onnxruntime "github.com/yalue/onnxruntime_go"
)

type session struct {
	inputs, outputs []onnxruntime.InputOutputInfo

	mu sync.RWMutex // held for reading while a run uses s
	s  *onnxruntime.DynamicAdvancedSession
}

func open(model []byte) (*session, error) {
	if len(model) == 0 {
		return nil, errors.New("onnxruntime: the model is empty: 0 bytes")
	}
	// onnxruntime would take the data from the working folder, whoever's they are.
	if err := onnxfile.External(model); err != nil {
		return nil, fmt.Errorf("onnxruntime: %w", err)
	}
	if err := harmless(model); err != nil {
		return nil, fmt.Errorf("the model is not passed to onnxruntime: %w", err)
	}
	inputs, outputs, err := onnxruntime.GetInputOutputInfoWithONNXData(model)
	if err != nil {
		return nil, refused(err)
	}
	opts, err := options()
	if err != nil {
		return nil, fmt.Errorf("onnxruntime: session options: %w", err)
	}
	defer opts.Destroy()
	s, err := onnxruntime.NewDynamicAdvancedSessionWithONNXData(model, portNames(inputs), portNames(outputs), opts)
	if err != nil {
		return nil, refused(err)
	}
	return &session{inputs: inputs, outputs: outputs, s: s}, nil
}

// refused rewords an error of onnxruntime, whose own text runs over many lines
// for some models.
func refused(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if _, rest, ok := strings.Cut(text, "session: "); ok {
		text = rest
	}
	if r := []rune(text); len(r) > 400 {
		text = string(r[:400]) + "…"
	}
	return fmt.Errorf("onnxruntime does not accept the model: %s", text)
}

func options() (*onnxruntime.SessionOptions, error) {
	o, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		// One thread: the order of a sum must not depend on the machine.
		o.SetIntraOpNumThreads(1),
		o.SetInterOpNumThreads(1),
		o.SetExecutionMode(onnxruntime.ExecutionModeSequential),
		o.SetGraphOptimizationLevel(onnxruntime.GraphOptimizationLevelEnableAll),
		o.SetLogSeverityLevel(onnxruntime.LoggingLevelFatal),
	)
	if err != nil {
		return nil, errors.Join(err, o.Destroy())
	}
	return o, nil
}

func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s == nil {
		return nil
	}
	err := s.s.Destroy()
	s.s = nil
	return err
}

func (s *session) Run(ctx context.Context, in map[string]*ir.Tensor) (out map[string]*ir.Tensor, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("onnxruntime: running the model: internal error: %v", r)
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return nil, errors.New("onnxruntime: the session is closed")
	}
	if err := s.check(in); err != nil {
		return nil, fmt.Errorf("onnxruntime: %w", err)
	}

	// The C side keeps the addresses of the inputs from the making of a value to
	// the end of the run.
	var pin runtime.Pinner
	defer pin.Unpin()
	values := make([]onnxruntime.Value, 0, len(s.inputs))
	defer func() { destroy(values) }()
	for _, p := range s.inputs {
		v, err := toValue(in[p.Name], p.DataType, &pin)
		if err != nil {
			return nil, fmt.Errorf("onnxruntime: input %q: %w", p.Name, err)
		}
		values = append(values, v)
	}

	results, alone, err := s.run(ctx, values)
	if err != nil {
		return nil, err
	}
	defer destroy(results)
	out = make(map[string]*ir.Tensor, len(results))
	for i, v := range results {
		name := s.outputs[i].Name
		if alone[i] {
			// An output that is an input is one where the library has nothing to write.
			t := in[name]
			if t == nil {
				return nil, fmt.Errorf("onnxruntime: it gives no value for output %q", name)
			}
			out[name] = t.Clone()
			continue
		}
		t, err := fromValue(v)
		if err != nil {
			return nil, fmt.Errorf("onnxruntime: output %q: %w", name, err)
		}
		out[name] = t
	}
	return out, nil
}

// run runs the session, again where the wrapper could not know a rank: it
// allocates every output itself but one of rank 0, which the caller has to, and
// dims are empty both for rank 0 and for an unknown rank. alone says which outputs
// are as they were made before the run.
func (s *session) run(ctx context.Context, in []onnxruntime.Value) (out []onnxruntime.Value, alone []bool, err error) {
	scalar := make([]bool, len(s.outputs))
	guessed := false
	for i, p := range s.outputs {
		scalar[i] = len(p.Dimensions) == 0
		guessed = guessed || scalar[i]
	}
	for {
		out, failed, err := s.try(ctx, in, scalar, marks[0])
		if err == nil {
			return s.written(ctx, in, scalar, out)
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return nil, nil, ctxErr
		}
		switch {
		case failed >= 0 && !scalar[failed] && !guessed:
			scalar[failed] = true
		case guessed:
			guessed = false
			clear(scalar)
		default:
			return nil, nil, fmt.Errorf("onnxruntime: %w", err)
		}
	}
}

// written finds the scalars that a run left alone: they hold the mark they were
// made with, and after another run with another mark that one.
func (s *session) written(ctx context.Context, in []onnxruntime.Value, scalar []bool, out []onnxruntime.Value) (_ []onnxruntime.Value, alone []bool, err error) {
	alone = make([]bool, len(out))
	for i, v := range out {
		alone[i] = scalar[i] && holds(v, marks[0])
	}
	if !slices.Contains(alone, true) {
		return out, alone, nil
	}
	destroy(out)
	if out, _, err = s.try(ctx, in, scalar, marks[1]); err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return nil, nil, ctxErr
		}
		return nil, nil, fmt.Errorf("onnxruntime: %w", err)
	}
	for i, v := range out {
		alone[i] = alone[i] && holds(v, marks[1])
	}
	return out, alone, nil
}

// try runs the session once. On an error, failed is the output that onnxruntime
// computed and the wrapper could not take over, or -1.
func (s *session) try(ctx context.Context, in []onnxruntime.Value, scalar []bool, m mark) (out []onnxruntime.Value, failed int, err error) {
	out = make([]onnxruntime.Value, len(s.outputs))
	keep := false
	defer func() {
		if !keep {
			destroy(out)
		}
	}()
	for i, isScalar := range scalar {
		if isScalar {
			if out[i], err = newScalar(s.outputs[i].DataType, m); err != nil {
				return nil, -1, err
			}
		}
	}
	opts, err := onnxruntime.NewRunOptions()
	if err != nil {
		return nil, -1, err
	}
	defer opts.Destroy()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		// It only raises a flag; the run's own error reports the end.
		_ = opts.Terminate()
	})
	err = s.s.RunWithOptions(in, out, opts)
	if !stop() {
		<-stopped
	}
	if err != nil {
		return nil, slices.IndexFunc(out, isNilValue), err
	}
	keep = true
	return out, -1, nil
}

// check returns an error unless in holds what the model wants.
func (s *session) check(in map[string]*ir.Tensor) error {
	if len(s.inputs) == 0 {
		return errors.New("the model has no inputs, and such models cannot be run here; give it an input, used or not")
	}
	names := portNames(s.inputs)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("the model has no input %q; its inputs are %s", name, quoted(names))
		}
	}
	for _, p := range s.inputs {
		t := in[p.Name]
		if t == nil {
			return fmt.Errorf("input %q is missing; the model's inputs are %s", p.Name, quoted(names))
		}
		if err := t.Check(); err != nil {
			return fmt.Errorf("input %q: %w", p.Name, err)
		}
		if len(p.Dimensions) > 0 && !fits(t.Shape, p.Dimensions) {
			return fmt.Errorf("input %q has shape %v, the model wants %v (-1: any length)", p.Name, t.Shape, []int64(p.Dimensions))
		}
	}
	for _, p := range s.outputs {
		if p.OrtValueType != onnxruntime.ONNXTypeTensor || !readable(p.DataType) {
			return fmt.Errorf("output %q is %s, which cannot be read here; have the model cast it to f32", p.Name, elem(p))
		}
	}
	return nil
}

func fits(shape []int, dims []int64) bool {
	if len(shape) != len(dims) {
		return false
	}
	for i, d := range dims {
		if d >= 0 && d != int64(shape[i]) {
			return false
		}
	}
	return true
}

func (s *session) Inputs() []verify.Port { return ports(s.inputs) }

func (s *session) Outputs() []verify.Port { return ports(s.outputs) }

func (s *session) Metadata() (m verify.Metadata, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return m, errors.New("onnxruntime: the session is closed")
	}
	md, err := s.s.GetModelMetadata()
	if err != nil {
		return m, fmt.Errorf("onnxruntime: metadata: %w", err)
	}
	defer md.Destroy()
	for _, f := range []struct {
		to  *string
		get func() (string, error)
	}{
		{&m.Producer, md.GetProducerName},
		{&m.Graph, md.GetGraphName},
		{&m.Domain, md.GetDomain},
		{&m.Description, md.GetDescription},
	} {
		if *f.to, err = f.get(); err != nil {
			return verify.Metadata{}, fmt.Errorf("onnxruntime: metadata: %w", err)
		}
	}
	if m.Version, err = md.GetVersion(); err != nil {
		return verify.Metadata{}, fmt.Errorf("onnxruntime: metadata: %w", err)
	}
	keys, err := md.GetCustomMetadataMapKeys()
	if err != nil {
		return verify.Metadata{}, fmt.Errorf("onnxruntime: metadata: %w", err)
	}
	m.Props = make(map[string]string, len(keys))
	for _, k := range keys {
		if m.Props[k], _, err = md.LookupCustomMetadataMap(k); err != nil {
			return verify.Metadata{}, fmt.Errorf("onnxruntime: metadata %q: %w", k, err)
		}
	}
	return m, nil
}

func portNames(list []onnxruntime.InputOutputInfo) []string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return names
}

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(q, ", ")
}

func ports(list []onnxruntime.InputOutputInfo) []verify.Port {
	ps := make([]verify.Port, len(list))
	for i, p := range list {
		ps[i] = verify.Port{Name: p.Name, Elem: elem(p), Dims: slices.Clone([]int64(p.Dimensions))}
	}
	return ps
}
