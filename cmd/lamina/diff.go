package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// exitRecompute is the exit status of diff for codes that cannot stand beside
// those of the other bundle.
const exitRecompute = 3

// bundleDiff is what diff prints.
type bundleDiff struct {
	Old              bundleSide           `json:"old"`
	New              bundleSide           `json:"new"`
	SignatureChanged bool                 `json:"signature_changed"`
	Interchangeable  bool                 `json:"interchangeable"`
	Metrics          map[string][]float64 `json:"metrics"` // old and new, of those that both have
	Rows             int                  `json:"rows"`    // compared, each once
	Outputs          []agreement          `json:"outputs"`
	Verdict          string               `json:"verdict"`
}

// bundleSide is what one bundle is.
type bundleSide struct {
	Path    string             `json:"path"`
	Digest  string             `json:"digest"`
	Inputs  []portReport       `json:"inputs"`
	Outputs []portReport       `json:"outputs"`
	Opset   int64              `json:"opset"`
	Bytes   int64              `json:"model_bytes"`
	Params  int                `json:"parameters"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

type diffFlags struct {
	cosine, overlap float64
	json            bool
}

func diffCommand() *cobra.Command {
	var f diffFlags
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two bundles: signature, size, metrics, and the codes they give",
		Long: fmt.Sprintf(`Opens both bundles, replays the stored test sets of each, and runs the stored
rows of both through both models on Lamina's own engine.

For each output it prints how the new codes agree with the old ones: the
difference, the cosine of each row's two codes, and the overlap of the %d nearest
old codes of a row's new code with those of its old code, which is what a search
with new codes among stored ones would see. Codes are interchangeable when they
differ by rounding alone, or when the mean cosine and the mean overlap reach
--cosine and --overlap.

Exit status: 0 codes are interchangeable, 1 the signature changed, 2 a bundle
cannot be read or does not compute what was trained, 3 codes are not
interchangeable, so those that are stored must be recomputed.`, neighbours),
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return diff(c, args[0], args[1], f) },
	}
	c.Flags().Float64Var(&f.cosine, "cosine", 0.999, "least mean cosine of interchangeable codes")
	c.Flags().Float64Var(&f.overlap, "overlap", 0.99, "least mean overlap of the nearest codes")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func diff(c *cobra.Command, oldDir, newDir string, f diffFlags) error {
	if !(f.cosine >= -1 && f.cosine <= 1) || !(f.overlap >= 0 && f.overlap <= 1) {
		return fmt.Errorf("--cosine %v, --overlap %v: a cosine is from -1 to 1, an overlap from 0 to 1", f.cosine, f.overlap)
	}
	var sides [2]*bundle.Opened
	for i, dir := range []string{oldDir, newDir} {
		o, err := bundle.Load(c.Context(), dir)
		if err != nil {
			return &command.Exit{Status: command.Unreadable, Err: fmt.Errorf("%s: %w", dir, err)}
		}
		sides[i] = o
	}
	d := &bundleDiff{Old: side(oldDir, sides[0]), New: side(newDir, sides[1]), Metrics: map[string][]float64{}, Outputs: []agreement{}}
	for name, x := range d.Old.Metrics {
		if y, both := d.New.Metrics[name]; both {
			d.Metrics[name] = []float64{x, y}
		}
	}
	var status error
	if d.SignatureChanged = signature(d.Old) != signature(d.New); d.SignatureChanged {
		d.Verdict = "the signature changed: programs that use the old bundle must be changed, and stored codes must be recomputed"
		status = &command.Exit{Status: command.Differs, Err: errors.New(d.Verdict)}
	} else {
		if err := d.compare(c.Context(), sides, f); err != nil {
			return &command.Exit{Status: command.Unreadable, Err: err}
		}
		d.Verdict = "codes are interchangeable"
		if !d.Interchangeable {
			d.Verdict = "codes are not interchangeable: stored codes must be recomputed with the new bundle (see lamina encode)"
			status = &command.Exit{Status: exitRecompute, Err: errors.New(d.Verdict)}
		}
	}
	var err error
	if f.json {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		err = e.Encode(d)
	} else {
		_, err = io.WriteString(c.OutOrStdout(), d.String())
	}
	if err != nil {
		return err
	}
	return status
}

func side(dir string, o *bundle.Opened) bundleSide {
	s := bundleSide{Path: dir, Digest: o.Digest, Opset: o.Opset, Bytes: o.ModelBytes, Metrics: o.Net.Record().Metrics}
	list := func(values []*ir.Value) []portReport {
		ports := []portReport{}
		for _, v := range values {
			p := portReport{Name: v.Name, Elem: v.Type.DType.String(), Shape: []string{}}
			for _, d := range v.Type.Shape {
				p.Shape = append(p.Shape, d.String())
			}
			ports = append(ports, p)
		}
		return ports
	}
	s.Inputs, s.Outputs = list(o.Net.Inputs()), list(o.Net.Graph().Outputs)
	for _, p := range o.Net.Params() {
		s.Params += len(p)
	}
	return s
}

// signature is the names and types of a bundle's ports, in order.
func signature(s bundleSide) string { return fmt.Sprintf("%q -> %q", s.Inputs, s.Outputs) }

// compare runs the stored rows of both through both.
func (d *bundleDiff) compare(ctx context.Context, sides [2]*bundle.Opened, f diffFlags) error {
	rows, err := storedRows(sides[0].Net, slices.Concat(sides[0].Sets, sides[1].Sets))
	if err != nil {
		return err
	}
	d.Rows = rows.n
	var codes [2]map[string]*ir.Tensor
	for i, s := range sides {
		if codes[i], err = rows.run(ctx, s.Net); err != nil {
			return err
		}
	}
	d.Interchangeable = true
	for _, v := range sides[0].Net.Graph().Outputs {
		// Both are apart from exact arithmetic by their tolerance at most.
		a := agree(codes[0][v.Name], codes[1][v.Name], sides[0].Tolerances[v.Name]+sides[1].Tolerances[v.Name])
		a.Output = v.Name
		a.Interchangeable = a.Rounding || a.Floats && a.MeanCosine >= f.cosine && a.Overlap >= f.overlap
		d.Interchangeable = d.Interchangeable && a.Interchangeable
		d.Outputs = append(d.Outputs, a)
	}
	return nil
}

// distinctRows are rows of inputs, no two the same.
type distinctRows struct {
	n  int
	in []map[string]*ir.Tensor // each row alone
}

// storedRows returns the rows of the sets, each once: a row that is its own
// neighbour would make codes look alike.
func storedRows(net *engine.Net, sets []bundle.Set) (distinctRows, error) {
	var out distinctRows
	seen := map[string]bool{}
	for _, s := range sets {
		for i := range s.Rows {
			row, key := map[string]*ir.Tensor{}, strings.Builder{}
			for _, v := range net.Inputs() {
				t := s.In[v.Name]
				if t == nil {
					return out, fmt.Errorf("test set %q has no input %q", s.Name, command.Clean(v.Name))
				}
				if !v.Type.Shape.RowWise() {
					return out, fmt.Errorf("input %q is %s: its rows cannot be told apart", command.Clean(v.Name), v.Type)
				}
				if len(t.Shape) == 0 || t.Shape[0] != s.Rows {
					return out, fmt.Errorf("a stored input is %s, which is not %d rows", t.Type(), s.Rows)
				}
				r := t.Rows(i, i+1)
				row[v.Name] = r
				fmt.Fprint(&key, r.Shape, r.F32, r.F64, r.I64, r.Bool, r.Raw, ";")
			}
			if !seen[key.String()] {
				seen[key.String()] = true
				out.in = append(out.in, row)
				out.n++
			}
		}
	}
	return out, nil
}

// run returns the outputs for all rows, as f64.
func (d distinctRows) run(ctx context.Context, net *engine.Net) (map[string]*ir.Tensor, error) {
	out := map[string]*ir.Tensor{}
	for _, row := range d.in {
		got, err := net.Run(ctx, row)
		if err != nil {
			return nil, err
		}
		for name, t := range got {
			all := out[name]
			if all == nil {
				all = &ir.Tensor{DType: ir.F64, Shape: []int{0, t.Len()}}
				if !t.DType.Float() {
					all.DType = ir.I64
				}
				out[name] = all
			}
			if t.Len() != all.Shape[1] {
				return nil, fmt.Errorf("output %q has a free length, so its rows have several widths and cannot be compared", command.Clean(name))
			}
			all.Shape[0]++
			if all.DType == ir.F64 {
				all.F64 = append(all.F64, t.To(ir.F64).F64...)
			} else {
				all.I64 = append(all.I64, t.To(ir.I64).I64...)
			}
		}
	}
	return out, nil
}

// String is the report in words.
func (d *bundleDiff) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\told\tnew\n")
	line := func(key, format string, x, y any) {
		was, is := fmt.Sprintf(format, x), fmt.Sprintf(format, y)
		mark := ""
		if was != is {
			mark = "  changed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\n", command.Clean(key), was, is, mark)
	}
	fmt.Fprintf(w, "bundle\t%s\t%s\n", command.Clean(d.Old.Path), command.Clean(d.New.Path))
	line("inputs", "%s", portTypes(d.Old.Inputs), portTypes(d.New.Inputs))
	line("outputs", "%s", portTypes(d.Old.Outputs), portTypes(d.New.Outputs))
	line("opset", "%d", d.Old.Opset, d.New.Opset)
	line("model", "%s", size(d.Old.Bytes), size(d.New.Bytes))
	line("parameters", "%d", d.Old.Params, d.New.Params)
	for i, name := range slices.Sorted(maps.Keys(d.Metrics)) {
		if i == maxLines {
			break
		}
		line(name, "%.5g", d.Metrics[name][0], d.Metrics[name][1])
	}
	w.Flush() // a strings.Builder takes everything
	for _, a := range d.Outputs {
		fmt.Fprintf(&b, "%s: %s\n", command.Clean(a.Output), a.String(d.Rows))
	}
	if d.Interchangeable {
		fmt.Fprintln(&b, d.Verdict)
	}
	return b.String()
}

func portTypes(ports []portReport) string {
	var s []string
	for i, p := range ports {
		if i == 8 {
			s = append(s, "…")
			break
		}
		s = append(s, command.Clean(p.Name)+" "+typeText(p.Elem, p.Shape))
	}
	return strings.Join(s, ", ")
}
