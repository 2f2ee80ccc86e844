package onnximport

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Unsupported is the error for a file that is well formed but needs something that Lamina
// cannot express. It names everything unsupported that was found.
type Unsupported struct{ Ops []UnsupportedOp }

// UnsupportedOp is one operator in one form that is not supported.
type UnsupportedOp struct {
	Domain string // empty for the default domain
	Type   string
	Why    string
	Nodes  []string // names in quotes, or what the node makes; in file order
}

const (
	listedNodes = 8
	listedOps   = 40
)

// Error lists the operators, each with the reason and its nodes.
func (u *Unsupported) Error() string {
	var b strings.Builder
	b.WriteString("onnx: not supported:")
	for i, o := range u.Ops {
		if i == listedOps {
			fmt.Fprintf(&b, "\n  and %d more", len(u.Ops)-i)
			break
		}
		name := o.Type
		if o.Domain != "" {
			name = o.Domain + "." + name
		}
		fmt.Fprintf(&b, "\n  %s: %s (", short(name), o.Why)
		for j, n := range o.Nodes {
			if j == listedNodes {
				fmt.Fprintf(&b, ", and %d more", len(o.Nodes)-j)
				break
			}
			if j > 0 {
				b.WriteString(", ")
			}
			b.WriteString(n)
		}
		b.WriteString(")")
	}
	return b.String()
}

// notSupported is the error of one node, collected into Unsupported.
type notSupported struct{ why string }

func (e *notSupported) Error() string { return e.why }

func unsupported(format string, a ...any) error {
	return &notSupported{fmt.Sprintf(format, a...)}
}

// add enters a node under its operator and reason.
func (u *Unsupported) add(n *onnxpb.NodeProto, why string) {
	domain := n.Domain
	if domain == defaultDomain {
		domain = ""
	}
	for i := range u.Ops {
		if o := &u.Ops[i]; o.Type == n.OpType && o.Domain == domain && o.Why == why {
			o.Nodes = append(o.Nodes, nodeName(n))
			return
		}
	}
	u.Ops = append(u.Ops, UnsupportedOp{Domain: domain, Type: n.OpType, Why: why, Nodes: []string{nodeName(n)}})
}

func (u *Unsupported) sorted() *Unsupported {
	sort.SliceStable(u.Ops, func(i, j int) bool {
		a, b := u.Ops[i], u.Ops[j]
		if a.Domain != b.Domain {
			return a.Domain < b.Domain
		}
		return a.Type < b.Type
	})
	return u
}

// nodeName returns a node's name, or what it makes if it has none.
func nodeName(n *onnxpb.NodeProto) string {
	if n.Name != "" {
		return quote(n.Name)
	}
	if len(n.Output) > 0 {
		return "the node of " + quote(n.Output[0])
	}
	return "a node without outputs"
}

// maxShown is the greatest number of bytes of a name in a message.
const maxShown = 80

func short(s string) string {
	if len(s) <= maxShown {
		return s
	}
	i := maxShown
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "…"
}

func quote(s string) string { return strconv.Quote(short(s)) }
