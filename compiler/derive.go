package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// panelUse says where products read panels.
type panelUse uint8

const (
	panelsWhereTheyPay panelUse = iota
	panelsNowhere               // nor tiles, in tests,
	panelsEverywhere            // that compare the plans
)

// derive returns a copy of g in which products read functions of parameters that suit
// the kernels: panels where these pay, and else, as kernels want the rows of the right
// operand contiguous, one transposed twin of each parameter that is read transposed.
// They are made once, and an update makes them again. Results keep their bits, as each
// of their elements is the same chain.
func derive(g *ir.Graph, o lowerOptions) *ir.Graph {
	h, _ := g.Clone()
	d := &deriver{o: o, u: usesOf(h, o.capacity, o.train), few: fewRows(h, o.capacity), names: map[string]bool{}, made: map[derivedKey]*ir.Value{}, spared: map[*ir.Node]bool{}}
	for _, v := range h.Values() {
		d.names[v.Name] = true
	}
	for _, n := range h.Nodes {
		d.id = max(d.id, n.ID)
	}
	for _, n := range h.Nodes {
		d.product(n)
		d.nodes = append(d.nodes, n)
	}
	h.Nodes = d.nodes
	d.unread(h)
	return h
}

// unread removes what is read in another form alone, such as parameters in bf16 in tiles.
func (d *deriver) unread(g *ir.Graph) {
	if len(d.spared) == 0 {
		return
	}
	kept, uses := outputSet(g), g.Uses()
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *ir.Node) bool {
		return d.spared[n] && len(uses[n.Out[0]]) == 0 && !kept[n.Out[0]]
	})
}

type derivedKey struct {
	param *ir.Value
	op    ir.Op
}

// deriver is the state of one call of derive.
type deriver struct {
	o      lowerOptions
	u      map[*ir.Value]*uses
	few    bool // a task takes few rows
	names  map[string]bool
	id     int
	nodes  []*ir.Node
	made   map[derivedKey]*ir.Value
	spared map[*ir.Node]bool // what made operands that products now read in another form
}

// product makes a product read what is derived from its right operand, if that is a
// parameter.
func (d *deriver) product(n *ir.Node) {
	if op, ok := n.Op.(tiler); ok && !op.HasTiles() && d.o.panels != panelsNowhere {
		d.tile(n, op)
		return
	}
	if len(n.In) < 2 || n.In[1].Type.Rank() != 2 {
		return
	}
	w := n.In[1]
	order, ordered := orderOf(w)
	if w.Kind != ir.ParamValue && !ordered {
		return
	}
	op, turned := straight(n)
	u := d.u[w]
	if p, ok := n.Op.(ir.Paneller); ok && n.In[0].Type.Rank() == 2 && n.Out[0].Type.Rank() == 2 && w.Type.DType == ir.F32 && !w.Type.Shape.Symbolic() && (!ordered || order.Axis == 1 && !turned) {
		columns := w.Type.Shape[1].Length()
		if turned {
			columns = w.Type.Shape[0].Length()
		}
		few := d.few && n.Out[0].Type.Shape[0] == ir.Rows()
		if by, ok := p.InPanels(columns); ok && d.panels(u, w, columns, turned, few) {
			most := panelLong
			if d.o.train {
				most = panelMost
			}
			if d.o.train && few {
				most = panelTile
			}
			n.Op, n.In[1] = by, d.value(n, w, ops.Panels{Width: panelWidth(columns, most), Turned: turned}, ".P")
			return
		}
	}
	switch {
	case !turned || u.keeps:
	case ordered: // at once, as from rows in another order nothing else follows
		order.Turned = true
		n.Op, n.In[1] = op, d.value(n, w.Def.In[0], order, ".T")
		d.spared[w.Def] = true
	default:
		n.Op, n.In[1] = op, d.value(n, w, ops.Transpose{Perm: ir.MakeAxes(1, 0)}, ".T")
	}
}

// orderOf returns the order in which a value has the features of a parameter, if it is one
// whose rows or columns features has put in another.
func orderOf(w *ir.Value) (ops.Interleave, bool) {
	if w.Def == nil || len(w.Def.In) != 1 || w.Def.In[0].Kind != ir.ParamValue {
		return ops.Interleave{}, false
	}
	op, ok := w.Def.Op.(ops.Interleave)
	return op, ok && !op.Turned
}

// tiler is a product in bf16 whose right operand may be in tiles.
type tiler interface {
	InTiles(w ir.Shape) (ir.Op, ops.Tiles)
	HasTiles() bool
}

// tile makes a product in bf16 read tiles of its right operand, if that is a parameter, or filters whose tiles follow one:
// what a CPU with tiles would make of it in each run, and no slower to read elsewhere than the operand in bf16.
func (d *deriver) tile(n *ir.Node, op tiler) {
	cast := n.In[1].Def
	if cast == nil || cast.Op != (ops.Cast{To: ir.BF16}) || cast.In[0].Type.Shape.Symbolic() {
		return
	}
	w := cast.In[0]
	by, tiles := op.InTiles(w.Type.Shape)
	axis, ok := followed(w)
	if !ok {
		return
	}
	out, err := tiles.Infer([]ir.Type{w.Type})
	if err != nil {
		return
	}
	if _, ok := ir.Follow(tiles, []ir.Type{w.Type}, out, axis); !ok {
		return
	}
	suffix := ".B"
	if tiles.Turned {
		suffix = ".BT"
	}
	n.Op, n.In[1] = by, d.value(n, w, tiles, suffix)
	d.spared[cast] = true
}

// followed returns the axis of v that holds the rows of the parameter which it is, or follows.
func followed(v *ir.Value) (axis int, ok bool) {
	if v.Kind == ir.ParamValue {
		return 0, true
	}
	n := v.Def
	if n == nil || len(n.In) != 1 || len(n.Out) != 1 {
		return 0, false
	}
	if axis, ok = followed(n.In[0]); !ok {
		return 0, false
	}
	t, ok := ir.Follow(n.Op, ir.TypesOf(n.In), ir.TypesOf(n.Out), axis)
	return t.Axis, ok && t.Block == 0
}

// value returns what op makes of parameter w, made before node n at the latest.
func (d *deriver) value(n *ir.Node, w *ir.Value, op ir.Op, suffix string) *ir.Value {
	key := derivedKey{w, op}
	if v := d.made[key]; v != nil {
		return v
	}
	d.id++
	name := w.Name + suffix
	for d.names[name] {
		name += suffix[1:]
	}
	d.names[name] = true
	types, _ := op.Infer([]ir.Type{w.Type}) // of a matrix it gives a type
	v := &ir.Value{Name: name, Type: types[0]}
	v.Def = &ir.Node{ID: d.id, Op: op, In: []*ir.Value{w}, Out: []*ir.Value{v}, Layer: n.Layer, Pos: n.Pos}
	d.nodes = append(d.nodes, v.Def)
	d.made[key] = v
	return v
}

// straight returns the product that takes its right operand as it is, for one
// that takes it transposed.
func straight(n *ir.Node) (op ir.Op, turned bool) {
	p, ok := n.Op.(ir.Multiplier)
	if !ok || len(n.In) < 2 || n.In[1].Type.Rank() != 2 {
		return nil, false
	}
	a, b := p.Transposed()
	return p.WithTransposed(a, false), b
}

// uses is what the products of a graph do with a parameter.
type uses struct {
	rows    int  // of the products that read it as it is,
	turned  int  // and of those that read it transposed, at capacity
	trained bool // an update changes it
	keeps   bool // no twin is worth its while
}

// usesOf looks at the products that read each value. An update changes a parameter: if
// this is larger than the rows of all products that read it transposed, a kernel turns
// the rows, for a twin would be written at each update, by workers in whose caches it is
// not.
func usesOf(g *ir.Graph, at ir.Binding, train bool) map[*ir.Value]*uses {
	all := map[*ir.Value]*uses{}
	moved := map[*ir.Value]int{}
	of := map[*ir.Value]*ir.Value{} // the parameter
	for _, v := range g.Params {
		all[v], of[v] = &uses{}, v
	}
	for _, n := range g.Nodes {
		if _, ok := orderOf(n.Out[0]); ok {
			all[n.Out[0]], of[n.Out[0]] = &uses{}, n.In[0]
		}
		if len(n.In) < 2 || all[n.In[1]] == nil {
			continue
		}
		u, w := all[n.In[1]], n.In[1]
		if len(n.Out) != 1 || n.Out[0].Type.Rank() == 0 {
			continue
		}
		rows := n.Out[0].Type.Shape[0].At(at)
		op, turned := straight(n)
		if !turned {
			u.rows += rows
			continue
		}
		u.turned += rows
		moved[w] += n.In[0].Type.Shape.ElemsAt(at) + n.Out[0].Type.Shape.ElemsAt(at)
		if takesColumns(op) {
			moved[w] += w.Type.Shape.ElemsAt(at)
		}
	}
	if !train {
		return all
	}
	for _, out := range g.Outputs {
		for w, u := range all {
			u.trained = u.trained || out.Name == gradPrefix+of[w].Name
		}
	}
	for w, u := range all {
		u.keeps = u.trained && u.turned > 0 && moved[w] <= w.Type.Shape.ElemsAt(at)
	}
	return all
}

// takesColumns reports whether a product takes its left operand transposed, whose
// rows no kernel turns.
func takesColumns(op ir.Op) bool {
	p, ok := op.(ir.Multiplier)
	if !ok {
		return false
	}
	a, _ := p.Transposed()
	return a
}

// Where panels pay is measured: the tables are in the README of package engine.
const (
	panelMost   = 96  // columns of a panel for many rows, a multiple of the tiles of all kernels,
	panelTile   = 64  // of few rows: one tile, read from end to end,
	panelLong   = 128 // and where single rows come: what the kernels of one row hold, in one or two parts
	panelVector = 16  // elements of the widest vector
	panelFrom   = 128 // columns up to which a row is read from end to end as it lies
	panelStride = 512 // rows that are a multiple of so many elements apart share few sets of a cache
	panelDepth  = 64  // if there are so many
	panelRows   = 512 // rows of the products for which an update writes panels beside the parameter,
	panelTasks  = 64  // and rows where a task takes few of them
	panelWide   = 512 // columns from which tasks of few rows read panels
)

// panelWidth returns the columns of each panel: whole vectors, about as many in each.
func panelWidth(columns, most int) int {
	count := (columns + most - 1) / most
	return ((columns+count-1)/count + panelVector - 1) / panelVector * panelVector
}

// panels reports whether products read a parameter, or its transpose, from panels. What
// is never updated is cut once, and one row then reads each panel from end to end. In
// training they pay where rows share few sets of a cache: in place of a twin for nothing,
// beside the parameter for many rows. They also pay where a task takes few rows, as those of
// images: then each task reads all of a wide parameter, from afar, as images have displaced it.
func (d *deriver) panels(u *uses, w *ir.Value, columns int, turned, few bool) bool {
	depth := w.Type.Shape.Count() / max(columns, 1)
	switch {
	case depth == 0 || columns == 0 || d.o.panels == panelsNowhere:
		return false
	case d.o.panels == panelsEverywhere:
		return true
	case columns <= panelFrom:
		return false
	case !d.o.train:
		return true
	case few && columns >= panelWide && (turned || !u.trained || u.rows >= panelTasks):
		return !turned || !u.keeps
	case columns%panelStride != 0 || depth < panelDepth:
		return false
	case turned:
		return !u.keeps
	}
	return !u.trained || u.rows >= panelRows
}

// fewRows reports whether tasks take few rows: a step reads and writes much of each, as of
// images, and what it makes is to be near for the next one.
func fewRows(g *ir.Graph, at ir.Binding) bool {
	one := at.WithRows(1)
	for _, n := range g.Nodes {
		each := 0
		for _, v := range slices.Concat(n.In, n.Out) {
			if v.Type.Rank() > 0 && v.Type.Shape[0] == ir.Rows() {
				each += v.Type.Shape.ElemsAt(one) * v.Type.DType.Size()
			}
		}
		if each > imageBytes {
			return true
		}
	}
	return false
}
