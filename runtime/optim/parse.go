package optim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Parse makes the optimizer from a description: the result of Describe in JSON.
//
// Errors: JSON that is not a description; an optimizer or a schedule that is not one of
// this package; a setting that it does not have, or a value that breaks its rules.
func Parse(description []byte) (Optimizer, error) {
	var d struct {
		Name     string             `json:"name"`
		Rate     float64            `json:"rate"`
		Options  map[string]float64 `json:"options"`
		Schedule json.RawMessage    `json:"schedule"`
		Groups   []Group            `json:"groups"`
		Decays   []Group            `json:"decay_groups"`
		Layer    float64            `json:"layer_factor"`
	}
	if err := decode(description, &d); err != nil {
		return nil, fmt.Errorf("optim: the description of an optimizer: %w", err)
	}
	var o Optimizer
	var c *common
	of := func(name string) float64 { return d.Options[name] }
	switch d.Name {
	case "sgd":
		s := SGD(d.Rate).Momentum(of("momentum")).Decay(of("decay"))
		if n, ok := d.Options["early_epochs"]; ok {
			s.EarlyMomentum(of("early_momentum"), int(n))
		}
		if of("nesterov") != 0 {
			s.Nesterov()
		}
		o, c = s, &s.common
	case "adam":
		a := Adam(d.Rate).Betas(of("beta1"), of("beta2")).Decay(of("decay"))
		if _, hat := d.Options["epsilon_hat"]; hat {
			a.EpsilonHat(of("epsilon_hat"))
		} else {
			a.Epsilon(of("epsilon"))
		}
		o, c = a, &a.common
	case "adamw":
		a := AdamW(d.Rate, of("decay")).Betas(of("beta1"), of("beta2"))
		if _, hat := d.Options["epsilon_hat"]; hat {
			a.EpsilonHat(of("epsilon_hat"))
		} else {
			a.Epsilon(of("epsilon"))
		}
		o, c = a, &a.common
	case "rmsprop":
		r := RMSProp(d.Rate).Rho(of("rho")).Epsilon(of("epsilon")).Decay(of("decay"))
		o, c = r, &r.common
	default:
		return nil, fmt.Errorf("optim: %q is not one of Lamina's own optimizers, so a description cannot express it", d.Name)
	}
	s, err := ParseSchedule(d.Schedule)
	if err != nil {
		return nil, err
	}
	c.setSchedule(s)
	for _, g := range d.Groups {
		c.addGroup(g.Pattern, g.Factor)
	}
	for _, g := range d.Decays {
		c.addDecay(g.Pattern, g.Factor)
	}
	if d.Layer != 0 {
		c.setLayer(d.Layer)
	}
	if err := o.Err(); err != nil {
		return nil, err
	}
	if err := same(description, o.Describe()); err != nil {
		return nil, fmt.Errorf("optim: the description of %s: %w", d.Name, err)
	}
	return o, nil
}

// ParseSchedule makes the schedule from a description in JSON.
//
// Errors: as for [Parse].
func ParseSchedule(description []byte) (Schedule, error) {
	var d struct {
		Name     string  `json:"name"`
		Every    int     `json:"every"`
		Factor   float64 `json:"factor"`
		Warmup   int     `json:"warmup"`
		Epochs   int     `json:"epochs"`
		Patience int     `json:"patience"`
		From     int64   `json:"from"`
		To       int64   `json:"to"`
	}
	if err := decode(description, &d); err != nil {
		return nil, fmt.Errorf("optim: the description of a schedule: %w", err)
	}
	var s interface {
		Schedule
		Describe() any
	}
	switch d.Name {
	case "constant":
		s = Constant()
	case "step":
		s = StepDecay(d.Every, d.Factor)
	case "cosine":
		s = Cosine(d.Warmup)
	case "warmup":
		s = Warmup(d.Epochs)
	case "plateau":
		s = Plateau(d.Patience, d.Factor)
	case "ramp":
		s = Ramp(d.From, d.To)
	default:
		return nil, fmt.Errorf("optim: %q is not one of Lamina's own schedules, so a description cannot express it", d.Name)
	}
	if e, ok := s.(interface{ Err() error }); ok {
		if err := e.Err(); err != nil {
			return nil, fmt.Errorf("optim: %w", err)
		}
	}
	if err := same(description, s.Describe()); err != nil {
		return nil, fmt.Errorf("optim: the description of a schedule: %w", err)
	}
	return s, nil
}

// decode reads one JSON object.
func decode(raw []byte, v any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return errors.New("there is none")
	}
	return json.Unmarshal(raw, v)
}

// same returns an error if what was made describes itself otherwise than it was described.
func same(raw []byte, described any) error {
	b, err := json.Marshal(described)
	if err != nil {
		return err
	}
	var was, is map[string]any
	if err := json.Unmarshal(raw, &was); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &is); err != nil {
		return err
	}
	for _, m := range []map[string]any{was, is} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			x, _ := json.Marshal(was[k])
			y, _ := json.Marshal(is[k])
			if !bytes.Equal(x, y) {
				return fmt.Errorf("%q is %s, which this version of Lamina does not know; it has %s", k, x, y)
			}
		}
	}
	return nil
}
