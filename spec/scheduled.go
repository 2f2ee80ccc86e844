package spec

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// schedule is what a scheduled number is: value times the factor of plan.
type schedule struct {
	value float64
	plan  optim.Schedule
}

// rule returns the rule that a schedule breaks, or "".
func (s *schedule) rule() string {
	if rule := finite("the value", s.value); rule != "" {
		return rule
	}
	if isNil(s.plan) {
		return "the schedule is nil; one that leaves the value as it is would be a constant"
	}
	if _, ok := s.plan.(optim.StatefulSchedule); ok {
		return "the schedule depends on losses, but a number of the model may depend on the number of the update alone"
	}
	if e, ok := s.plan.(interface{ Err() error }); ok {
		if err := e.Err(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// Scheduled declares a number, f32[], that a training sets before each update to value
// times the schedule's factor, such as a temperature or the weight of a term that grows.
// It is the same for all parts of an update. Evaluations use its value from the last
// update, and what ships the value that belongs to the shipped weights. No gradient
// reaches it.
// Mistakes: the value is not finite; the schedule is nil, has a mistake itself, or
// depends on losses.
func Scheduled(name string, value float64, s optim.Schedule) *Value {
	at := callers(0)
	sp, plan := newSpace(), &schedule{value, s}
	rule := checkName(name)
	if rule == "" {
		rule = plan.rule()
	}
	if rule != "" {
		sp.fail(&mistake{at: at, made: at, op: text("Scheduled %q", name), rule: text("%s", rule)})
		return &Value{sp: sp, v: bad()}
	}
	st := &state{kind: "Scheduled", made: at, own: true, name: name, label: name, path: name, sp: sp}
	sp.used[name] = st
	return &Value{sp: sp, v: sp.scheduled(st, nil, "", plan)}
}

// Scheduled returns a number of the layer like that of the function [Scheduled]: a new one
// at the first place of the layer, the same one at every other.
func (b *Builder) Scheduled(name string, value float64, s optim.Schedule) *ir.Value {
	if b.failed {
		return bad()
	}
	plan := &schedule{value, s}
	rule := checkName(name)
	if rule == "" {
		rule = plan.rule()
	}
	if rule != "" {
		return b.Errorf("scheduled %q: %s", name, rule)
	}
	sp := b.sp.find()
	for _, x := range sp.states {
		if x.st != b.p.st || x.name != name || x.of != b.p.average() || x.like != nil {
			continue
		}
		if x.schedule == nil {
			return b.Errorf("state %q follows no schedule", name)
		}
		return x.in
	}
	return sp.scheduled(b.p.st, b.p.average(), name, plan)
}

func (s *space) scheduled(st *state, of *AverageLayer, name string, plan *schedule) *ir.Value {
	v := s.own(&ir.Value{Type: ir.T(ir.F32), Kind: ir.StateValue})
	s.states = append(s.states, &stateVar{in: v, st: st, of: of, name: name, init: Zeros(), schedule: plan})
	return v
}

// Scheduled returns the value and the schedule whose factor multiplies it before each
// update, if the variable is a number that [Scheduled] declared.
func (s State) Scheduled() (value float64, plan optim.Schedule, ok bool) {
	if s.id == nil || s.id.schedule == nil {
		return 0, nil, false
	}
	return s.id.schedule.value, s.id.schedule.plan, true
}
