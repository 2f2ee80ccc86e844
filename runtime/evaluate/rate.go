package evaluate

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Rate is what a compression by codes costs and what it keeps.
type Rate struct {
	Bits     int       // of each element of a code
	Entropy  Entropies // of the test rows' codes
	Length   float64   // bits that a code takes, by the frequencies of the training rows; see Quantizer.Length
	PerPixel float64   // Length by the pixels of a picture
	PSNR     float64   // decibels
}

// Rates compresses the pictures of test: encoder makes codes of them, a [Quantizer] rounds
// these to each of the bits, and decoder makes pictures of what is left. The range and the
// frequencies of the codes are those of the rows of train. peak is the greatest value a
// pixel may have, such as 1.
//
// The encoder has one input, f32[N …], whose column the rows have, and one output, f32[N …];
// the decoder takes as many numbers as a code has and returns as many as a picture has. The
// pixels of f32[N C H W] are H*W, those of any other shape its elements.
//
// Errors: a net with other inputs or outputs; a value is not finite; those of the quantizer,
// the source, which must have rows, and the context.
func Rates(ctx context.Context, encoder, decoder *engine.Net, train, test dataset.Source, peak float64, bits ...int) ([]Rate, error) {
	x, code, err := oneToOne("encoder", encoder)
	if err != nil {
		return nil, err
	}
	z, y, err := oneToOne("decoder", decoder)
	if err != nil {
		return nil, err
	}
	dim, n := code.Type.Shape[1:].Count(), x.Type.Shape[1:].Count()
	if z.Type.Shape[1:].Count() != dim {
		return nil, fmt.Errorf("evaluate: rates: the decoder's input %q must take the %d numbers of a code %q, got %s", z.Name, dim, code.Name, z.Type)
	}
	if y.Type.Shape[1:].Count() != n {
		return nil, fmt.Errorf("evaluate: rates: the decoder's output %q must have the %d numbers of a picture %q, got %s", y.Name, n, x.Name, y.Type)
	}
	pixels := n
	if x.Type.Rank() == 4 {
		pixels = x.Type.Shape[2:].Count()
	}
	known, _, err := encoded(ctx, encoder, train, x.Name, code.Name, false)
	if err != nil {
		return nil, err
	}
	codes, originals, err := encoded(ctx, encoder, test, x.Name, code.Name, true)
	if err != nil {
		return nil, err
	}
	out := make([]Rate, 0, len(bits))
	for _, b := range bits {
		q, err := NewQuantizer(known, dim, b)
		if err != nil {
			return nil, err
		}
		r := Rate{Bits: b}
		symbols, err := q.Symbols(codes)
		if err != nil {
			return nil, err
		}
		if r.Entropy, err = Entropy(symbols, dim); err != nil {
			return nil, err
		}
		if r.Length, err = q.Length(symbols); err != nil {
			return nil, err
		}
		r.PerPixel = r.Length / float64(pixels)
		left, err := q.Codes(symbols)
		if err != nil {
			return nil, err
		}
		in := &ir.Tensor{DType: ir.F32, Shape: z.Type.Shape.At(ir.RowsOf(len(codes) / dim)), F32: left}
		pictures, err := decoder.Run(ctx, map[string]*ir.Tensor{z.Name: in})
		if err != nil {
			return nil, err
		}
		if r.PSNR, err = PSNR(pictures[y.Name].F32, originals, peak); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// oneToOne returns the only input and output of a net, rows of f32 of known lengths.
func oneToOne(what string, net *engine.Net) (in, out *ir.Value, err error) {
	if err := net.Err(); err != nil {
		return nil, nil, err
	}
	ins, outs := net.Inputs(), net.Outputs()
	if len(ins) != 1 || len(outs) != 1 {
		return nil, nil, fmt.Errorf("evaluate: rates: the %s must have one input and one output, got %d and %d", what, len(ins), len(outs))
	}
	for _, v := range []*ir.Value{ins[0], outs[0]} {
		if t := v.Type; t.DType != ir.F32 || !t.Shape.RowWise() || t.Rank() < 2 || t.Shape[1:].Symbolic() {
			return nil, nil, fmt.Errorf("evaluate: rates: %q of the %s must be f32[N …], got %s", v.Name, what, t)
		}
	}
	return ins[0], outs[0], nil
}

// encoded returns the codes of rows, and the rows themselves if they are wanted.
func encoded(ctx context.Context, net *engine.Net, rows dataset.Source, x, code string, wanted bool) (codes, originals []float32, err error) {
	err = net.Each(ctx, rows, func(b dataset.Batch, out map[string]*ir.Tensor) error {
		codes = append(codes, out[code].F32...)
		if wanted {
			originals = append(originals, b.F32(x)...)
		}
		return nil
	})
	return codes, originals, err
}
