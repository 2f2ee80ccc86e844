package optim

import (
	"encoding/json"
	"fmt"
	"strings"
)

// WithGroups returns an optimizer like o that has these groups too, after its own, so that they count where several match.
// o stays as it is. A factor of 0 trains nothing of the group.
//
// Errors: o is not one of this package's optimizers, or has mistakes; a group that is malformed.
func WithGroups(o Optimizer, groups ...Group) (Optimizer, error) {
	return again(o, func(d *Description) { d.Groups = append(append([]Group{}, d.Groups...), groups...) })
}

// WithLayerDecay returns an optimizer like o whose rates fall from layer to layer by this factor instead of its own, as the
// method LayerDecay of each optimizer says. o stays as it is.
//
// Errors: as for [WithGroups]; the factor is not in (0, 1].
func WithLayerDecay(o Optimizer, factor float64) (Optimizer, error) {
	if !(factor > 0 && factor <= 1) {
		return nil, fmt.Errorf("optim: the factor of a layer must be in (0, 1], got %v", factor)
	}
	return again(o, func(d *Description) { d.Layer = factor })
}

// again makes an optimizer anew, otherwise than it describes itself.
func again(o Optimizer, change func(*Description)) (Optimizer, error) {
	if o == nil {
		return nil, fmt.Errorf("optim: there is no optimizer to give other rates")
	}
	if err := o.Err(); err != nil {
		return nil, err
	}
	d, ok := o.Describe().(Description)
	if !ok {
		return nil, fmt.Errorf("optim: %q is not one of Lamina's own optimizers, so it cannot be given other rates here; give it groups itself", o.Name())
	}
	change(&d)
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("optim: what %s says of itself cannot be kept: %w", o.Name(), err)
	}
	return Parse(raw)
}

// Quote returns the pattern that matches a path as it is written, with * and [ as plain characters, and what is below it.
func Quote(path string) string {
	return strings.NewReplacer("*", "[*]", "[", "[[]").Replace(path)
}
