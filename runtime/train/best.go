package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// By is the number by which the best epoch is chosen, made by [Least] or [Greatest]. The zero By is the validation loss.
type By struct {
	name     string
	greatest bool
}

// Least makes the epoch best in which the number is least: a metric by its name, or a loss, such as "loss" or "loss/mse1".
func Least(name string) By { return By{name: name} }

// Greatest makes the epoch best in which the metric of that name is greatest, such as "accuracy".
func Greatest(name string) By { return By{name: name, greatest: true} }

// String returns the direction and the name, such as "greatest accuracy", and "" for the zero By.
func (b By) String() string {
	switch {
	case b == By{}:
		return ""
	case b.greatest:
		return "greatest " + b.name
	}
	return "least " + b.name
}

// parseBy reads what String wrote.
func parseBy(s string) (By, error) {
	direction, name, _ := strings.Cut(s, " ")
	switch {
	case s == "":
		return By{}, nil
	case direction == "least" && name != "":
		return Least(name), nil
	case direction == "greatest" && name != "":
		return Greatest(name), nil
	}
	return By{}, fmt.Errorf(`train: what the best epoch is chosen by is "least" or "greatest" and a name, got %q`, s)
}

// ofLoss reports whether it is a loss and not a metric.
func (b By) ofLoss() bool {
	return b.name == "" || b.name == "loss" || strings.HasPrefix(b.name, "loss/")
}

// of returns the number of an epoch.
func (b By) of(e *Epoch) float64 {
	if b.ofLoss() {
		return e.measured().shown(b.name)
	}
	return e.metric(b.name)
}

// cost is the number with the sign that makes less better.
func (b By) cost(e *Epoch) float64 {
	if b.greatest {
		return -b.of(e)
	}
	return b.of(e)
}

// Of returns the number of an epoch: of its validation rows, or else of the training rows. It is 0 if the epoch has none of that
// name.
func (b By) Of(e Epoch) float64 { return b.of(&e) }

// Cost is the number of an epoch as Of returns it, with the sign that makes less better.
func (b By) Cost(e Epoch) float64 { return b.cost(&e) }

// checkBest returns what is wrong with Options.BestBy.
func (o *Options) checkBest(m *spec.Model) error {
	b := o.BestBy
	if b == (By{}) {
		return nil
	}
	if o.Valid == nil {
		return fmt.Errorf("train: Options.BestBy is %s, which needs Options.Valid: there are no validation rows to choose the best epoch by", b)
	}
	if b.name == "" {
		return errors.New("train: Options.BestBy is greatest of nothing; name a metric")
	}
	if b.ofLoss() && b.greatest {
		return fmt.Errorf("train: Options.BestBy is %s, but a loss is better the less it is: write Least(%q)", b, b.name)
	}
	g, err := m.Graph()
	if err != nil {
		return nil // the model's mistakes are told, and its losses are not known
	}
	var known []string
	for _, x := range o.Metrics {
		known = append(known, x.Name)
	}
	for _, v := range g.Outputs {
		if v.Name == "loss" || strings.HasPrefix(v.Name, "loss/") {
			known = append(known, v.Name)
		}
	}
	if !slices.Contains(known, b.name) {
		return fmt.Errorf("train: Options.BestBy names %q; the metrics and losses are %s", b.name, strings.Join(known, ", "))
	}
	return nil
}

// judges reports whether the best epoch decides anything.
func (o *Options) judges() bool { return !o.KeepLast || o.Patience > 0 }

// judge returns the metric that the best epoch is chosen by, nil if that is a loss or decides nothing.
func (o *Options) judge() *Metric {
	if o.BestBy.ofLoss() || !o.judges() {
		return nil
	}
	for i := range o.Metrics {
		if o.Metrics[i].Name == o.BestBy.name {
			return &o.Metrics[i]
		}
	}
	return nil
}

// unjudged is the error for an epoch whose number is none.
func (t *Trainer) unjudged(e *Epoch) error {
	b := t.opt.BestBy
	return fmt.Errorf("train: epoch %d: %q of the validation rows is %v, so the best epoch cannot be chosen by it (Options.BestBy)%s", e.Number, b.name, b.of(e), t.lastGood())
}

// computed are the metrics that are measured.
func (o *Options) computed() []Metric {
	return slices.DeleteFunc(slices.Clone(o.Metrics), func(x Metric) bool { return x.recorded != nil })
}

// recorded gives an epoch the metrics that a record has.
//
// Errors: the record ends before the epoch.
func (o *Options) recorded(e *Epoch) error {
	for _, x := range o.Metrics {
		if x.recorded == nil {
			continue
		}
		if e.Number > len(x.recorded) {
			return fmt.Errorf("train: the record has the metric %q up to epoch %d, and this is epoch %d: the training parts from its record", x.Name, len(x.recorded), e.Number)
		}
		m := e.measured()
		if m.Metrics == nil {
			m.Metrics = engine.Metrics{}
		}
		m.Metrics[x.Name] = x.recorded[e.Number-1]
	}
	return nil
}
