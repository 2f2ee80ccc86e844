// Package optim holds the optimizers, the learning-rate schedules and the precisions of a training.
//
// An optimizer's constructor takes what it requires; methods that return the same type refine it:
//
//	optim.AdamW(1e-3, 1e-2).Group("encoder", 0.1).Schedule(optim.Cosine(5))
//
// Group and GroupDecay multiply the rate and the weight decay of the layers that a pattern names. LayerDecay multiplies
// the rate of each layer according to its depth.
//
// Mistakes are kept and returned by Err. An optimizer holds hyperparameters only. Its state lives in slots that the
// caller owns, one value of every slot for each weight, zero before the first update. Update is elementwise, so a
// range of weights may be split anywhere and updated by any number of goroutines with the same bits. The loops are
// in package simd.
//
// # Moments are never subnormal
//
// A moment is what an optimizer keeps of the gradients before, and lets decay. One that comes out of an update as x is
//
//	x if |x| ≥ 2^-126 or x is NaN, else +0
//
// 2^-126 being the least normal float32. That value is stored, and the weight of the same update is computed from it. All
// kernel sets do so, as does float64 where it says what is right (simd.FlushSubnormals).
//
// The reason is units that are dead, as those of a rectifier are that no row turns on. Their gradients are 0 exactly, so a
// moment of Adam's decays by 0.9 an update and is subnormal after some 800. There it would stay for ever, since 0.9 times
// the least numbers rounds to themselves, and on many CPUs every instruction that meets one takes more than a hundred
// cycles.
//
// Only moments are flushed. Weights are not, and gradients are not, nor their squares: a subnormal gradient counts in full
// as far as the moment it is added to is normal. Gradients whose mean square is below 2^-126 leave a v of 0 but an m that
// is not. The weight then moves by m/ε times the rate, which is nothing for any usual ε, and more than the rate only with
// an ε below 1e-17.
//
// An optimizer of one's own is flushed by the engine, unless it is a [Flusher]. Checkpoints of before are flushed when a
// training goes on from them.
package optim

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Decayer is an optimizer that says whether the update of a weight depends on [Step].Decay. If it does not,
// parameters that are adjacent in memory may be updated in one call.
type Decayer interface{ Decays() bool }

// Flusher is an optimizer that says whether Update stores no subnormal moment itself. Where it does not, the engine makes
// them 0 afterwards, which is a pass over the slots.
type Flusher interface{ Flushes() bool }

// Optimizer turns gradients into updates of weights.
type Optimizer interface {
	// Name is the kind, in lower case: "adam".
	Name() string
	// Err returns every mistake of the declaration, joined; each is an *ir.Error.
	Err() error
	// Slots names the state kept for each weight, in the order Update takes it.
	Slots() []string
	// Update changes w by the gradient g, and the state. w, g and every slot have one length. It allocates
	// nothing and may run at the same time on ranges that do not overlap.
	Update(s Step, w, g []float32, slots [][]float32)
	// Rate is the learning rate before schedule and groups.
	Rate() float64
	// Plan is the schedule; it is never nil.
	Plan() Schedule
	// Factor is the rate's multiplier for a layer or parameter by its path, and whether a group names it.
	// The last group that matches counts.
	Factor(layer string) (float64, bool)
	// DecayFactor is the same for the weight decay.
	DecayFactor(layer string) (float64, bool)
	// LayerFactor multiplies a layer's rate once for each layer above it; the default is 1.
	LayerFactor() float64
	// Patterns lists the patterns of the groups, so that one that matches nothing can be reported.
	Patterns() []string
	// Describe returns plain data that encodes to JSON.
	Describe() any
}

// Step holds what an update of one parameter depends on besides its gradient.
type Step struct {
	LR    float32 // the rate after schedule and groups
	Decay bool    // whether the parameter is subject to weight decay; biases and normalisations are not
	Share float32 // multiplies the decay; 0 means 1
	T     int64   // number of the update, from 1
	Epoch int     // current epoch, from 0
	Scale float32 // multiplies the gradient before anything else, for example to clip its norm; 0 means 1
}

// decay is d for a parameter that is subject to it.
func (s Step) decay(d float64) float32 {
	switch {
	case !s.Decay:
		return 0
	case s.Share != 0:
		return float32(d * float64(s.Share))
	}
	return float32(d)
}

// common is what all optimizers share.
type common struct {
	kind     string
	rate     float64
	schedule Schedule
	groups   []Group
	decays   []Group
	layer    float64 // 0 for 1
	mistakes []error
}

// Group is a multiplier of the rate, or of the decay, for the layers that a pattern names.
type Group struct {
	Pattern string  `json:"pattern"`
	Factor  float64 `json:"factor"`
}

func makeCommon(kind string, rate float64) common {
	c := common{kind: kind, rate: rate, schedule: Constant()}
	if !(rate > 0) || math.IsInf(rate, 0) {
		c.mistake("the learning rate must be positive and finite, got %v", rate)
	}
	return c
}

// mistake keeps an error with the line of the caller outside this package.
func (c *common) mistake(format string, a ...any) {
	c.mistakes = append(c.mistakes, mistake(here(), c.kind, fmt.Sprintf(format, a...)))
}

func (c *common) positive(what string, v float64) {
	if !(v > 0) || math.IsInf(v, 0) {
		c.mistake("%s must be positive and finite, got %v", what, v)
	}
}

func (c *common) fraction(what string, v float64) {
	if !(v >= 0 && v < 1) {
		c.mistake("%s must be in [0, 1), got %v", what, v)
	}
}

func (c *common) notNegative(what string, v float64) {
	if !(v >= 0) || math.IsInf(v, 0) {
		c.mistake("%s must be zero or positive, and finite, got %v", what, v)
	}
}

func (c *common) setSchedule(s Schedule) {
	if s == nil {
		c.mistake("the schedule is nil")
		return
	}
	if e, ok := s.(interface{ Err() error }); ok {
		if err := e.Err(); err != nil {
			c.mistake("%v", err)
		}
	}
	c.schedule = s
}

func (c *common) addGroup(pattern string, factor float64) {
	c.checkGroup(pattern, factor)
	c.groups = append(c.groups, Group{pattern, factor})
}

func (c *common) addDecay(pattern string, factor float64) {
	c.checkGroup(pattern, factor)
	c.decays = append(c.decays, Group{pattern, factor})
}

func (c *common) checkGroup(pattern string, factor float64) {
	if err := CheckPattern(pattern); err != nil {
		c.mistake("group %q: %v", pattern, err)
	}
	if !(factor >= 0) || math.IsInf(factor, 0) {
		c.mistake("group %q: the factor must be zero or positive, and finite, got %v", pattern, factor)
	}
}

func (c *common) setLayer(factor float64) {
	if !(factor > 0 && factor <= 1) {
		c.mistake("the factor of a layer must be in (0, 1], got %v", factor)
	}
	c.layer = factor
}

// Flushes implements [Flusher]: the kernels do it.
func (c *common) Flushes() bool { return true }

// Name implements [Optimizer].
func (c *common) Name() string { return c.kind }

// Err returns every mistake of the declaration, joined.
func (c *common) Err() error { return errors.Join(c.mistakes...) }

// Rate is the learning rate before schedule and groups.
func (c *common) Rate() float64 { return c.rate }

// Plan is the schedule.
func (c *common) Plan() Schedule { return c.schedule }

// Factor is the rate's multiplier for a layer, and whether a group names it.
func (c *common) Factor(layer string) (float64, bool) { return last(c.groups, layer) }

// DecayFactor is the decay's multiplier for a layer, and whether a group names it.
func (c *common) DecayFactor(layer string) (float64, bool) { return last(c.decays, layer) }

// LayerFactor multiplies a layer's rate once for each layer above it.
func (c *common) LayerFactor() float64 {
	if c.layer == 0 {
		return 1
	}
	return c.layer
}

// last returns the factor of the last group that names the layer.
func last(groups []Group, layer string) (float64, bool) {
	for i := len(groups) - 1; i >= 0; i-- {
		if Match(groups[i].Pattern, layer) {
			return groups[i].Factor, true
		}
	}
	return 1, false
}

// Patterns lists the patterns of the groups.
func (c *common) Patterns() []string {
	var p []string
	for _, g := range append(append([]Group{}, c.groups...), c.decays...) {
		p = append(p, g.Pattern)
	}
	return p
}

// Description describes how an optimizer was declared; it encodes to JSON.
type Description struct {
	Name     string             `json:"name"`
	Rate     float64            `json:"rate"`
	Options  map[string]float64 `json:"options,omitempty"`
	Schedule any                `json:"schedule"`
	Groups   []Group            `json:"groups,omitempty"`
	Decays   []Group            `json:"decay_groups,omitempty"`
	Layer    float64            `json:"layer_factor,omitempty"`
}

func (c *common) describe(options map[string]float64) Description {
	d := Description{Name: c.kind, Rate: c.rate, Options: options, Groups: c.groups, Decays: c.decays, Layer: c.layer}
	if s, ok := c.schedule.(interface{ Describe() any }); ok {
		d.Schedule = s.Describe()
	} else {
		d.Schedule = fmt.Sprintf("%T", c.schedule)
	}
	return d
}

// here is where the user wrote the call under way.
func here() ir.Pos {
	return ir.Here(func(f string) bool { return strings.HasPrefix(f, "github.com/lamina-ml/lamina/runtime/optim.") })
}

func mistake(at ir.Pos, kind, rule string) error {
	return &ir.Error{Made: at.Made, From: at.From, Op: kind, Rule: rule}
}
