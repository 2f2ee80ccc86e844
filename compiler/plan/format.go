package plan

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

func stepName(s *Step) string {
	if s.Op == nil {
		return "Update"
	}
	return s.Op.Name()
}

// Format returns the plan as text: phases, groups and steps in the order of
// execution, then the buffers. Equal plans have equal text.
func Format(p *Plan) string { return text(p, nil) }

// Explain is like Format, but adds after each step the kernel that name returns for it, and
// the bytes and floating-point operations of a full run.
func Explain(p *Plan, name func(step int) string) string { return text(p, name) }

func text(p *Plan, kernel func(int) string) string {
	var w strings.Builder
	fmt.Fprintf(&w, "plan %s: up to %d rows", p.Name, p.Capacity.Rows())
	for _, name := range p.Capacity.Free() {
		n, _ := p.Capacity.Of(name)
		fmt.Fprintf(&w, ", %s up to %d", name, n)
	}
	fmt.Fprintf(&w, ", arena %d bytes", p.ArenaBytes)
	if p.DerivedBytes > 0 {
		fmt.Fprintf(&w, ", derived %d", p.DerivedBytes)
	}
	if p.StoreGrads {
		w.WriteString(", gradients stored")
	}
	if p.Shards > 1 {
		fmt.Fprintf(&w, ", %d shards an update", p.Shards)
	}
	if p.Apart > 0 {
		fmt.Fprintf(&w, ", one after the other from phase %d on", p.Apart)
	}
	if p.Loss >= 0 {
		fmt.Fprintf(&w, ", loss %s", p.Buffers[p.Loss].Name)
	}
	w.WriteString("\n")
	var flops, bytes int64
	line := func(id int) {
		f, b := p.Cost(id)
		flops, bytes = flops+f, bytes+b
		fmt.Fprintf(&w, "\t\t%s\n", p.line(id, kernel, f))
	}
	for i := range p.Phases {
		ph := &p.Phases[i]
		fmt.Fprintf(&w, "phase %d", i)
		if ph.Once {
			w.WriteString(" (once per change)")
		}
		if ph.After {
			w.WriteString(" (once per update)")
		}
		if ph.Alone {
			w.WriteString(" (one worker)")
		}
		w.WriteString("\n")
		for j := range ph.Groups {
			g := &ph.Groups[j]
			fmt.Fprintf(&w, "\tgroup of %v, %d a task, %d tasks\n", g.Length, g.Grain, g.Tasks(p.Capacity))
			for _, id := range g.Steps {
				line(id)
			}
		}
		if len(ph.Tail) > 0 {
			w.WriteString("\ttail\n")
			for _, id := range ph.Tail {
				line(id)
			}
		}
	}
	w.WriteString("buffers\n")
	for i := range p.Buffers {
		b := &p.Buffers[i]
		fmt.Fprintf(&w, "\t%-7s %6d %v %s", b.Kind, b.Offset, b.Type, b.Name)
		if b.Alias >= 0 {
			fmt.Fprintf(&w, " = %s", p.Buffers[b.Alias].Name)
		}
		w.WriteString("\n")
	}
	if kernel != nil {
		fmt.Fprintf(&w, "total %.3f MFLOP, %.3f MB moved, %d parameters\n", float64(flops)/1e6, float64(bytes)/1e6, p.params())
	}
	return w.String()
}

func (p *Plan) params() int {
	n := 0
	for i := range p.Segments {
		n += p.Segments[i].Len()
	}
	return n
}

func (p *Plan) line(id int, kernel func(int) string, flops int64) string {
	s := &p.Steps[id]
	var w strings.Builder
	for i, b := range s.Out {
		if i > 0 {
			w.WriteString(", ")
		}
		w.WriteString(p.Buffers[b].Name)
	}
	fmt.Fprintf(&w, " = %s%s(", stepName(s), attributes(s.Op))
	for i, b := range s.In {
		if i > 0 {
			w.WriteString(", ")
		}
		w.WriteString(p.Buffers[b].Name)
		if s.Access[i] != ir.Whole {
			fmt.Fprintf(&w, ":%v", s.Access[i])
		}
	}
	w.WriteString(")")
	for i, b := range s.Derived {
		w.WriteString([]string{", and with it ", ", "}[min(i, 1)])
		w.WriteString(p.Buffers[b].Name)
	}
	if s.Behind {
		w.WriteString(", columns as they are made")
	}
	if s.After {
		w.WriteString(" after the update")
	}
	if kernel != nil {
		fmt.Fprintf(&w, "  [%s, %d FLOP]", kernel(id), flops)
	}
	if s.Layer != "" {
		fmt.Fprintf(&w, "  # %s", s.Layer)
		if !s.Pos.IsZero() {
			fmt.Fprintf(&w, " %s", s.Pos)
		}
	}
	return w.String()
}

// attributes returns <name = value, …> of an op's tagged fields.
func attributes(op ir.Op) string {
	v := reflect.ValueOf(op)
	if op == nil || v.Kind() != reflect.Struct {
		return ""
	}
	var parts []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("attr")
		if name == "" {
			continue
		}
		x := v.Field(i).Interface()
		switch t := x.(type) {
		case ir.Axes:
			x = t.Slice()
		case ir.Dims:
			x = t.Shape()
		}
		parts = append(parts, fmt.Sprintf("%s = %v", name, x))
	}
	if len(parts) == 0 {
		return ""
	}
	return "<" + strings.Join(parts, ", ") + ">"
}

// Cost returns the floating-point operations of a step at capacity, and the bytes
// of its operands and results.
func (p *Plan) Cost(step int) (flops, bytes int64) {
	s := &p.Steps[step]
	in, out := p.types(s.In), p.types(s.Out)
	for _, b := range s.In {
		bytes += int64(p.Buffers[b].Bytes(p.Capacity))
	}
	for _, b := range s.Out {
		bytes += int64(p.Buffers[b].Bytes(p.Capacity))
		flops += int64(p.Buffers[b].Type.Shape.ElemsAt(p.Capacity))
	}
	if c, ok := s.Op.(ir.Coster); ok {
		return c.Cost(in, out, p.Capacity)
	}
	return flops, bytes
}
