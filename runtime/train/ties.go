package train

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// tiesOf lists, by layer, the parameters that it uses and that are another layer's:
// those of a tied mirror are its encoder's, by whose names alone patterns find them.
func tiesOf(g *ir.Graph, params []spec.Param) map[string][]string {
	owner := map[string]string{}
	for _, p := range params {
		owner[p.Name] = p.Layer
	}
	ties := map[string][]string{}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if of, ok := owner[v.Name]; ok && of != n.Layer && !slices.Contains(ties[n.Layer], v.Name) {
				ties[n.Layer] = append(ties[n.Layer], v.Name)
			}
		}
	}
	return ties
}

// apart says of each pattern that names a layer, but not the tied weights it uses,
// that these go their own way.
func (t *Trainer) apart() (notes []string) {
	ties := tiesOf(t.prog.Graph, t.prog.Params)
	look := func(what, pattern string) {
		for _, p := range t.prog.Params {
			for _, w := range ties[p.Layer] {
				if optim.Match(pattern, p.Layer) && !optim.Match(pattern, w) {
					note := fmt.Sprintf("%s %q does not hold for %s, which %s is tied to; name it too if it is to", what, pattern, w, p.Layer)
					if !slices.Contains(notes, note) {
						notes = append(notes, note)
					}
				}
			}
		}
	}
	for _, pattern := range t.opt.Freeze {
		look("Freeze", pattern)
	}
	for _, pattern := range t.opt.Optimizer.Patterns() {
		look("the optimizer's group", pattern)
	}
	return notes
}

// cutLast cuts a name at its last slash.
func cutLast(name string) (layer, rest string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}
