//go:build cgo && !windows

package ort

import (
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// crashes are the nodes that are known to end the process when onnxruntime opens or
// runs them, all by an input that is left out by an empty name: measured of 1.32.0
// with every op of opsets 17 to 23 and most of com.microsoft, whose other nodes with
// such inputs run or are refused.
func crashes(n *wireNode) (input int, ok bool) {
	if n.domain != "" && n.domain != "ai.onnx" {
		return 0, false
	}
	from, to := 0, len(n.inputs)
	switch n.op {
	case "Sum", "Max", "Min", "Mean", "Einsum":
	case "LayerNormalization", "DFT":
		from, to = 2, min(to, 3)
	default:
		return 0, false
	}
	for i := from; i < to; i++ {
		if n.inputs[i] == "" {
			return i, true
		}
	}
	return 0, false
}

// wireNode is what is read of a node.
type wireNode struct {
	name, op, domain string
	out              string // its first output
	inputs           []string
	bodies           [][]byte // graphs among its attributes
}

// wireFunction is a function of the model's own.
type wireFunction struct {
	inputs []string
	nodes  [][]byte
}

// harmless returns an error for a model with a node that would end the process. What
// it cannot read is left to the library.
func harmless(model []byte) error {
	c := &crashCheck{functions: map[string]*wireFunction{}, seen: map[string]bool{}}
	var graphs [][]byte
	err := fields(model, func(number uint32, b []byte) error {
		switch number {
		case 7:
			graphs = append(graphs, b)
		case 25:
			return c.function(b)
		}
		return nil
	})
	for _, g := range graphs {
		if err == nil {
			err = c.graph(g, nil, 0)
		}
	}
	if errors.Is(err, onnxpb.ErrMalformed) {
		return nil
	}
	return err
}

// crashCheck looks for nodes that end the process.
type crashCheck struct {
	functions map[string]*wireFunction // by domain and name
	seen      map[string]bool          // functions with the inputs that calls of them leave out
	steps     int
}

// The depth of graphs and calls that is followed, which is beyond what onnxruntime
// reads, and the nodes.
const (
	maxNested = 100
	maxSteps  = 1 << 22
)

func (c *crashCheck) function(b []byte) error {
	f := &wireFunction{}
	var name, domain string
	err := fields(b, func(number uint32, b []byte) error {
		switch number {
		case 1:
			name = string(b)
		case 4:
			f.inputs = append(f.inputs, string(b))
		case 7:
			f.nodes = append(f.nodes, b)
		case 10:
			domain = string(b)
		}
		return nil
	})
	c.functions[domain+"\x00"+name] = f
	return err
}

// graph looks at the nodes of a graph; absent are names that stand for nothing.
func (c *crashCheck) graph(b []byte, absent map[string]bool, depth int) error {
	return fields(b, func(number uint32, b []byte) error {
		if number != 1 {
			return nil
		}
		return c.node(b, absent, depth)
	})
}

func (c *crashCheck) node(b []byte, absent map[string]bool, depth int) error {
	if c.steps++; depth > maxNested || c.steps > maxSteps {
		return onnxpb.ErrMalformed
	}
	n, err := readNode(b)
	if err != nil {
		return err
	}
	for i, s := range n.inputs {
		if absent[s] {
			n.inputs[i] = ""
		}
	}
	if i, ok := crashes(n); ok {
		return fmt.Errorf("%s: %s: input %d is left out by an empty name, which is known to crash the library and the process; give it, or end the list of inputs before it", n.called(), n.op, i)
	}
	for _, g := range n.bodies {
		if err := c.graph(g, absent, depth+1); err != nil {
			return err
		}
	}
	key := n.domain + "\x00" + n.op
	f := c.functions[key]
	if f == nil {
		return nil
	}
	left := map[string]bool{}
	for i, s := range f.inputs {
		if i >= len(n.inputs) || n.inputs[i] == "" {
			left[s] = true
			key += fmt.Sprintf("\x00%d", i)
		}
	}
	if c.seen[key] {
		return nil
	}
	c.seen[key] = true
	for _, b := range f.nodes {
		if err := c.node(b, left, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// called says which node it is. Many have no name.
func (n *wireNode) called() string {
	if n.name == "" {
		return fmt.Sprintf("the node of %q", n.out)
	}
	return fmt.Sprintf("node %q", n.name)
}

func readNode(b []byte) (*wireNode, error) {
	n := &wireNode{}
	err := fields(b, func(number uint32, b []byte) error {
		switch number {
		case 1:
			n.inputs = append(n.inputs, string(b))
		case 2:
			if n.out == "" {
				n.out = string(b)
			}
		case 3:
			n.name = string(b)
		case 4:
			n.op = string(b)
		case 7:
			n.domain = string(b)
		case 5:
			return fields(b, func(number uint32, b []byte) error {
				if number == 6 || number == 11 {
					n.bodies = append(n.bodies, b)
				}
				return nil
			})
		}
		return nil
	})
	return n, err
}

// fields calls f for each field of a message that holds bytes. Nothing is copied.
func fields(b []byte, f func(number uint32, b []byte) error) error {
	for len(b) > 0 {
		field, rest, err := onnxpb.NextField(b)
		if err == nil && field.Bytes {
			err = f(field.Number, field.Data)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}
