package rates

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Block is what gets one rate in a search.
type Block struct {
	Name   string   `json:"name"` // a layer's path, or a pattern
	Params []string `json:"params"`

	layers []string // of each parameter
	states []string // running statistics that stay when the block is frozen
}

// Genes are log2 of a block's factor.
const (
	lowest  = -6.0
	highest = 3.0
	frozen  = -5.0 // below it a block does not train
	stretch = 1.5  // of the search's steps at its start, in genes
)

// gene brings any number into the range of genes, by reflection at its ends.
func gene(x float64) float64 {
	const width = highest - lowest
	x = math.Mod(x-lowest, 2*width)
	if x < 0 {
		x += 2 * width
	}
	if x > width {
		x = 2*width - x
	}
	return lowest + x
}

// decode makes the factor of each block, 0 for a frozen one. One at least trains: that with the greatest gene.
func decode(x []float64) []float64 {
	factors, top := make([]float64, len(x)), 0
	genes := make([]float64, len(x))
	for i := range x {
		genes[i] = gene(stretch * x[i])
		if genes[i] > genes[top] {
			top = i
		}
	}
	for i, g := range genes {
		if g >= frozen || i == top {
			factors[i] = rounded(math.Exp2(max(g, frozen)))
		}
	}
	return factors
}

// blocksOf divides what a training trains: by the patterns, or else by layers.
//
// Errors: a pattern that is malformed or names nothing that is trained; nothing is.
func blocksOf(m *spec.Model, o train.Options, patterns []string) ([]Block, error) {
	trained := func(name string) bool {
		return !slices.ContainsFunc(o.Freeze, func(p string) bool { return optim.Match(p, name) })
	}
	for _, p := range patterns {
		if err := optim.CheckPattern(p); err != nil {
			return nil, fmt.Errorf("rates: SearchOptions.Blocks: %q: %w", p, err)
		}
	}
	names := slices.Clone(patterns)
	if len(patterns) == 0 {
		order, _, err := layersOf(m)
		if err != nil {
			return nil, fmt.Errorf("rates: %w", err)
		}
		names = order
	}
	blocks := make([]Block, len(names))
	for i, name := range names {
		blocks[i].Name = name
	}
	at := func(p spec.Param) int {
		if len(patterns) == 0 {
			return slices.Index(names, p.Layer)
		}
		return slices.IndexFunc(patterns, func(s string) bool { return optim.Match(s, p.Name) || optim.Match(s, p.Layer) })
	}
	for _, p := range m.Params() {
		i := at(p)
		if i < 0 || !trained(p.Name) {
			continue
		}
		b := &blocks[i]
		b.Params, b.layers = append(b.Params, p.Name), append(b.layers, p.Layer)
		for _, s := range m.States() {
			if s.Running() && strings.HasPrefix(s.Name, p.Layer+"/") && trained(s.Name) && !slices.Contains(b.states, s.Name) {
				b.states = append(b.states, s.Name)
			}
		}
	}
	if len(patterns) == 0 {
		blocks = slices.DeleteFunc(blocks, func(b Block) bool { return len(b.Params) == 0 })
	}
	for _, b := range blocks {
		if len(b.Params) == 0 {
			return nil, fmt.Errorf("rates: SearchOptions.Blocks: %q names no parameter that is trained and is not in a block before it; layers are named as in Model.Summary", b.Name)
		}
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("rates: model %q has no parameters that are trained", m.Name())
	}
	return blocks, nil
}

// table is that of the factors of blocks.
func table(way string, blocks []Block, factors []float64) *Table {
	t := &Table{Way: way}
	for i, b := range blocks {
		for j, p := range b.Params {
			t.Rows = append(t.Rows, Row{Param: p, Layer: b.layers[j], Factor: factors[i]})
			if factors[i] == 0 {
				t.Freeze = append(t.Freeze, optim.Quote(p))
			}
		}
		if factors[i] == 0 {
			for _, s := range b.states {
				t.Freeze = append(t.Freeze, optim.Quote(s))
			}
		}
	}
	return t
}
