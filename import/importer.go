package onnximport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// importer is the state of reading one file.
type importer struct {
	ctx    context.Context
	limits Limits
	folder *onnxfile.Folder // nil for a model that came as bytes
	proto  *onnxpb.ModelProto
	g      *onnxpb.GraphProto
	opset  int64

	b      *ir.Builder
	values map[string]*value
	need   onnxfile.Need
	wanted []*onnxpb.ValueInfoProto // the outputs that are computed

	lengths openLengths
	params  map[string]*ir.Tensor
	folded  int // elements computed while reading
	maps    map[mapKey]*value
	mapped  int // weights of maps
	bad     Unsupported
	errs    []error
}

// value is what is known of a value of the file.
type value struct {
	v     *ir.Value  // in the graph; nil until something there reads it
	t     *ir.Tensor // the elements, if they are known
	dims  []ir.Dim   // the elements of an integer value of rank 0 or 1 made of lengths, if one of them is open
	rank0 bool       // dims is a scalar
	whole ir.DType   // of dims; Invalid stands for I64
	count ir.Dim     // not 0: the integers 0, 1, … up to an open length, of that shape
	shape ir.Shape
	param string // name of the initializer, if it is one
	name  string
	lost  bool // its node could not be lowered
}

// Errors that are reported together, and nodes of the graph a node of the file
// may become on average.
const (
	maxErrors  = 10
	growth     = 4
	maxOutputs = 1 << 12
)

// model reads the graph: its structure as a whole, the rest as far as the named
// outputs need it, or all outputs if none is named.
func (im *importer) model(outputs []string) (*Model, error) {
	roots, err := im.structure()
	if err != nil {
		return nil, err
	}
	if err := im.choose(outputs); err != nil {
		return nil, err
	}
	if im.operators(); len(im.bad.Ops) > 0 {
		return nil, im.bad.sorted()
	}
	im.b = ir.NewBuilder(cmp.Or(im.g.Name, "graph"))
	im.values = map[string]*value{}
	im.params = map[string]*ir.Tensor{}
	im.reserve()
	if err := im.initializers(); err != nil {
		return nil, err
	}
	inputs, err := im.inputs()
	if err != nil {
		return nil, err
	}
	steps, err := topology(im.g, roots)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		if err := im.ctx.Err(); err != nil {
			return nil, err
		}
		if !im.need.Nodes[s.index] {
			continue
		}
		im.step(s)
		if len(im.errs) >= maxErrors {
			break
		}
		if len(im.b.Graph.Nodes) > growth*(im.limits.Nodes+16) {
			return nil, fmt.Errorf("its nodes become more than %d", growth*im.limits.Nodes)
		}
	}
	if len(im.errs) > 0 {
		return nil, errors.Join(im.errs...)
	}
	if len(im.bad.Ops) > 0 {
		return nil, im.bad.sorted()
	}
	results, err := im.outputs()
	if err != nil {
		return nil, err
	}
	if err := im.b.Err(); err != nil {
		return nil, err
	}
	if err := ir.Verify(im.b.Graph); err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	return im.describe(inputs, results), nil
}

// structure checks counts and names, and returns the names that exist without a
// node.
func (im *importer) structure() (map[string]bool, error) {
	g := im.g
	if len(g.Node) > im.limits.Nodes {
		return nil, fmt.Errorf("%d nodes, the limit is %d", len(g.Node), im.limits.Nodes)
	}
	if len(g.Output) == 0 {
		return nil, errors.New("the graph has no outputs")
	}
	if len(g.SparseInitializer) > 0 {
		return nil, errors.New("sparse initializers are not supported")
	}
	roots := map[string]bool{}
	for _, v := range g.Input {
		if err := name(v.Name, "an input"); err != nil {
			return nil, err
		}
		if roots[v.Name] {
			return nil, fmt.Errorf("two inputs are named %s", quote(v.Name))
		}
		roots[v.Name] = true
	}
	seen := map[string]bool{}
	for _, t := range g.Initializer {
		if err := name(t.Name, "an initializer"); err != nil {
			return nil, err
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("two initializers are named %s", quote(t.Name))
		}
		seen[t.Name], roots[t.Name] = true, true
	}
	made := map[string]bool{}
	edges := 0
	for _, n := range g.Node {
		if n.OpType == "" {
			return nil, fmt.Errorf("%s has no operator", nodeName(n))
		}
		if len(n.Output) == 0 || len(n.Output) > maxOutputs {
			return nil, fmt.Errorf("%s (%s) has %d outputs, 1 to %d are possible", nodeName(n), short(n.OpType), len(n.Output), maxOutputs)
		}
		if edges += len(n.Output) * max(len(n.Input), 1); edges > im.limits.Edges {
			return nil, fmt.Errorf("its nodes have more than %d edges from inputs to outputs", im.limits.Edges)
		}
		for _, o := range n.Output {
			if o == "" {
				continue
			}
			if err := name(o, "an output of "+nodeName(n)); err != nil {
				return nil, err
			}
			if made[o] || roots[o] {
				return nil, fmt.Errorf("the name %s is given twice, also by %s", quote(o), nodeName(n))
			}
			made[o] = true
		}
	}
	out := map[string]bool{}
	for _, v := range g.Output {
		if out[v.Name] {
			return nil, fmt.Errorf("two outputs are named %s", quote(v.Name))
		}
		if out[v.Name] = true; !made[v.Name] && !roots[v.Name] {
			return nil, fmt.Errorf("nothing makes output %s", quote(v.Name))
		}
	}
	return roots, nil
}

func name(s, what string) error {
	if s == "" {
		return fmt.Errorf("%s has no name", what)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("the name of %s, %s, is not UTF-8", what, quote(s))
	}
	return nil
}

// choose finds what the outputs need.
func (im *importer) choose(outputs []string) error {
	if err := onnxfile.CheckOutputs(im.g, outputs); err != nil {
		return err
	}
	var names []string
	for _, v := range im.g.Output {
		if len(outputs) == 0 || slices.Contains(outputs, v.Name) {
			im.wanted, names = append(im.wanted, v), append(names, v.Name)
		}
	}
	im.need = onnxfile.Needed(im.g, names)
	if len(outputs) == 0 {
		for _, v := range im.g.Input { // the signature stays as it is
			im.need.Names[v.Name] = true
		}
	}
	return nil
}

// operators enters every node that is needed and whose operator has no row in the table.
func (im *importer) operators() {
	local := map[[2]string]bool{}
	for _, f := range im.proto.Functions {
		local[[2]string{f.Domain, f.Name}] = true
	}
	rows := table()
	for i, n := range im.g.Node {
		if !im.need.Nodes[i] {
			continue
		}
		r, known := rows[n.OpType]
		switch {
		case local[[2]string{n.Domain, n.OpType}]:
			im.bad.add(n, "calls a function of the file")
		case n.Domain != "" && n.Domain != defaultDomain:
			im.bad.add(n, "belongs to another domain")
		case !known:
			im.bad.add(n, "has no counterpart in Lamina's ops")
		case im.opset < r.since:
			im.bad.add(n, fmt.Sprintf("exists from opset %d on, the file is at %d", r.since, im.opset))
		case r.until > 0 && im.opset > r.until:
			im.bad.add(n, fmt.Sprintf("exists up to opset %d, the file is at %d", r.until, im.opset))
		}
	}
}

// reserve takes every name of the file, so that no name made here is one.
func (im *importer) reserve() {
	for _, v := range im.g.Input {
		im.b.Unique(v.Name)
	}
	for _, t := range im.g.Initializer {
		im.b.Unique(t.Name)
	}
	for _, n := range im.g.Node {
		for _, o := range n.Output {
			if o != "" {
				im.b.Unique(o)
			}
		}
	}
}

func (im *importer) initializers() error {
	for _, p := range im.g.Initializer {
		if err := im.ctx.Err(); err != nil {
			return err
		}
		if !im.need.Names[p.Name] {
			continue
		}
		t, err := im.tensor(p)
		if err != nil {
			var u *notSupported
			if errors.As(err, &u) {
				im.bad.add(&onnxpb.NodeProto{OpType: "initializer", Name: p.Name}, u.why)
				im.values[p.Name] = &value{lost: true}
				continue
			}
			return fmt.Errorf("initializer %s %w", quote(p.Name), err)
		}
		p.RawData, p.FloatData = nil, nil // held once from here on
		im.values[p.Name] = &value{t: t, param: p.Name, name: p.Name}
	}
	return nil
}

// step lowers one node and binds its results.
func (im *importer) step(s step) {
	n := im.g.Node[s.index]
	results, err := im.lower(n, s)
	if err == nil && len(results) < len(s.out) {
		for _, o := range s.out[len(results):] {
			if o != "" {
				err = unsupported("output %d is not computed", len(results)+1)
				break
			}
		}
	}
	if err != nil {
		for _, o := range s.out {
			im.values[o] = &value{lost: true}
		}
		var u *notSupported
		switch {
		case err == errLost: // follows from another node's
		case errors.As(err, &u):
			im.bad.add(n, u.why)
		default:
			im.errs = append(im.errs, fmt.Errorf("%s (%s): %w", nodeName(n), short(n.OpType), err))
		}
		return
	}
	for i, o := range s.out {
		if o == "" {
			continue
		}
		r := results[i]
		if r.name == "" {
			if r.name = o; r.v != nil {
				r.v.Name = o
			}
		}
		im.values[o] = r
	}
}

// lower applies the node's row; a panic there is an internal error that names
// the node.
func (im *importer) lower(n *onnxpb.NodeProto, s step) (out []*value, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("internal error: %v", r)
		}
	}()
	c, r, err := im.call(n, s)
	if err != nil {
		return nil, err
	}
	im.b.Layer, im.b.Pos = provenance(n)
	out = r.lower(c)
	if c.err != nil {
		return nil, c.err
	}
	return out, c.leftovers()
}

// provenance reads the layer and the position that an exporter of Lamina wrote
// into a node's doc_string; without them the layer is the node's name.
func provenance(n *onnxpb.NodeProto) (string, ir.Pos) {
	layer, pos := short(n.Name), ir.Pos{}
	for line := range strings.Lines(n.DocString) {
		line = strings.TrimSpace(line)
		if s, ok := strings.CutPrefix(line, "layer: "); ok && s != "" && len(s) <= 1024 {
			layer = s
		}
		if s, ok := strings.CutPrefix(line, "at: "); ok && len(s) <= 1024 {
			pos.Made = frame(s)
		}
	}
	return layer, pos
}

// frame reads example.com/digits/main.go:14.
func frame(s string) ir.Frame {
	s, _, _ = strings.Cut(s, " ")
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return ir.Frame{}
	}
	line, err := strconv.Atoi(s[i+1:])
	if err != nil || line < 1 {
		return ir.Frame{}
	}
	return ir.Frame{File: path.Base(s[:i]), Pkg: path.Dir(s[:i]), Line: line}
}

// outputs makes every declared output a value of the graph under its name.
func (im *importer) outputs() ([]Port, error) {
	var ports []Port
	for _, p := range im.wanted {
		r := im.values[p.Name]
		v, err := im.use(r)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", quote(p.Name), err)
		}
		if v.Name != p.Name { // another name of a value that has its own
			v = im.b.Op(ops.Identity{}, v)
			if err := im.b.Err(); err != nil {
				return nil, err
			}
			v.Name = p.Name
		}
		port, err := im.declared(p, v.Type)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", quote(p.Name), err)
		}
		im.b.Output(v)
		ports = append(ports, port)
	}
	return ports, nil
}
