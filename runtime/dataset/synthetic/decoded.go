package synthetic

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Decoder is a trained function from codes to rows, such as the engine.Net of a variational autoencoder's decoder:
//
//	vae := spec.Variational("vae", spec.Input("x", 784), encoder, 16, decoder)
//	fit, err := train.Fit(ctx, vae.Model, rows, o)
//	net := fit.Net(spec.Input("z", 16).Then(decoder, spec.Sigmoid()).Named("x"))
//	rows := synthetic.Decoded(net, 60000, 1) // x f32[784], z f32[16]
//
// It must be a function of each row by itself, with one input of float32, and be safe for several goroutines.
type Decoder interface {
	Err() error
	Inputs() []*ir.Value
	Graph() *ir.Graph
	Params() map[string][]float32
	Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error)
}

// decodedKind begins what Generator says of decoded rows.
const decodedKind = "decoded"

// DecodedRows are what a decoder makes of drawn codes. They are a [dataset.BatchSource].
type DecodedRows struct {
	net  Decoder
	n    int
	seed uint64
	key  random.Key
	code dataset.Column
	outs []dataset.Column
	hash string // of what the decoder computes
	err  error
}

// Decoded returns rows that a decoder makes of codes drawn from the unit normal, the prior of a variational autoencoder. The
// columns are the decoder's outputs by their names, and its input, the code, by its name. Row i is a function of the decoder, the
// seed and i; its bits are those of the kernels that the decoder runs on.
//
// A record of a training names the decoder by the hash of its graph and its parameters. It does not hold the decoder, so
// lamina reproduce is to be given the rows.
//
// Errors (of Err): those of the decoder; rows out of range; not one input of float32 whose lengths are known, or an output that
// is neither float32 nor as long as the batch.
func Decoded(net Decoder, rows int, seed uint64) *DecodedRows {
	d := &DecodedRows{net: net, n: rows, seed: seed, key: random.New(seed).DeriveString(decodedKind)}
	if d.err = d.check(); d.err != nil {
		d.err = fmt.Errorf("synthetic: decoded: %w", d.err)
	}
	return d
}

func (d *DecodedRows) check() error {
	if d.net == nil {
		return fmt.Errorf("the decoder is nil")
	}
	if err := d.net.Err(); err != nil {
		return err
	}
	if d.n < 1 || d.n > MostRows {
		return fmt.Errorf("the rows must be 1 to %d, got %d", MostRows, d.n)
	}
	in := d.net.Inputs()
	if len(in) != 1 {
		return fmt.Errorf("a decoder has one input, the code, and this has %d: leave out what only training needs", len(in))
	}
	var err error
	if d.code, err = columnOf("input", in[0]); err != nil {
		return err
	}
	for _, v := range d.net.Graph().Outputs {
		c, err := columnOf("output", v)
		if err != nil {
			return err
		}
		d.outs = append(d.outs, c)
	}
	if !ir.RowsApart(d.net.Graph()) {
		return fmt.Errorf("a row of its output depends on other rows of the batch, so that no row could be made by itself")
	}
	h := sha256.New()
	fmt.Fprintln(h, ir.Hash(d.net.Graph()))
	params := d.net.Params()
	for _, name := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(h, "%q %d\n", name, len(params[name]))
		raw := make([]byte, 0, 4*len(params[name]))
		for _, v := range params[name] {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		h.Write(raw)
	}
	d.hash = hex.EncodeToString(h.Sum(nil))
	return nil
}

// columnOf is the column of an input or output.
func columnOf(what string, v *ir.Value) (dataset.Column, error) {
	c := dataset.Column{Name: v.Name, DType: dataset.F32}
	s := v.Type.Shape
	if v.Type.DType != ir.F32 || len(s) == 0 || s[0] != ir.Rows() {
		return c, fmt.Errorf("the %s %q is %s; it must be float32 with a row for each row of the batch", what, v.Name, v.Type)
	}
	shape, ok := s[1:].Fixed()
	if !ok {
		return c, fmt.Errorf("the %s %q is %s; the lengths of a row must be known", what, v.Name, v.Type)
	}
	c.Shape = slices.Clone(shape)
	return c, nil
}

// Err returns what is wrong with the rows.
func (d *DecodedRows) Err() error {
	if d == nil {
		return fmt.Errorf("synthetic: the rows are nil")
	}
	return d.err
}

// Len implements [dataset.Source].
func (d *DecodedRows) Len() int {
	if d.Err() != nil {
		return 0
	}
	return d.n
}

// Columns implements [dataset.Source].
func (d *DecodedRows) Columns() []dataset.Column {
	if d.Err() != nil {
		return nil
	}
	cols := append(slices.Clone(d.outs), d.code)
	for i := range cols {
		cols[i].Shape = slices.Clone(cols[i].Shape)
	}
	return cols
}

// Row implements [dataset.Source].
func (d *DecodedRows) Row(i int, row dataset.Row) error {
	return d.decode([]int{i}, func(name string, v []float32) { row.F32(name, v...) })
}

// Rows implements [dataset.BatchSource].
func (d *DecodedRows) Rows(index []int, dst dataset.Rows) error {
	return d.decode(index, func(name string, v []float32) { copy(dst.F32(name), v) })
}

// decode gives the columns of rows.
func (d *DecodedRows) decode(index []int, give func(column string, v []float32)) error {
	if err := d.Err(); err != nil {
		return err
	}
	z := &ir.Tensor{DType: ir.F32, Shape: append([]int{len(index)}, d.code.Shape...), F32: make([]float32, len(index)*d.code.Width())}
	for k, i := range index {
		if i < 0 || i >= d.n {
			return fmt.Errorf("synthetic: there is no row %d of %d", i, d.n)
		}
		key, at := d.key.Derive(uint64(i)), k*d.code.Width()
		for j := range d.code.Width() {
			z.F32[at+j] = float32(normal(key, uint64(j)))
		}
	}
	y, err := d.net.Run(context.Background(), map[string]*ir.Tensor{d.code.Name: z})
	if err != nil {
		return err
	}
	give(d.code.Name, z.F32)
	for _, c := range d.outs {
		give(c.Name, y[c.Name].F32)
	}
	return nil
}

// Generator says what made the rows, for [dataset.GeneratorOf].
func (d *DecodedRows) Generator() string {
	if d.Err() != nil {
		return ""
	}
	return fmt.Sprintf("%s rows=%d seed=%d decoder=%s", decodedKind, d.n, d.seed, d.hash)
}

// String says the same, or what is wrong.
func (d *DecodedRows) String() string {
	if err := d.Err(); err != nil {
		return err.Error()
	}
	return d.Generator()
}

// Stream returns the rows for [dataset.Spool], which recognizes them by the decoder, their number and the seed.
func (d *DecodedRows) Stream() dataset.Stream {
	s := dataset.StreamOf(d)
	s.Source = func(context.Context) (string, error) { return d.Generator(), d.Err() }
	return s
}
