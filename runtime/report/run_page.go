package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/report/page"
	"github.com/lamina-ml/lamina/runtime/train"
)

// Page returns the page of the run.
//
// Errors: those of drawing weights or stored rows.
func (r *Run) Page() (*page.Page, error) {
	p := &page.Page{Title: "Training of " + r.Name, Verdict: r.verdict(), Facts: r.facts(), Foot: "Written by lamina report run. The numbers are in the files of the same name that end in .json and .csv."}
	if len(r.Trained) == 0 {
		p.Title = "The bundle " + r.Name
	}
	for i := range r.Trained {
		t := &r.Trained[i]
		p.Sections = append(p.Sections, t.section(len(r.Trained) > 1))
	}
	for i := range r.Trained {
		t := &r.Trained[i]
		if b := filters(t.tensors.Names(), t.tensors.Tensor); b != nil {
			s := page.Section{Title: "What the first layer learned", Blocks: []page.Block{b}}
			if len(r.Trained) > 1 {
				s.Title += ", " + t.Name
			}
			p.Sections = append(p.Sections, s)
		}
	}
	for i := range r.Exported {
		s, err := r.Exported[i].section(len(r.Trained) == 0)
		if err != nil {
			return nil, err
		}
		p.Sections = append(p.Sections, s)
	}
	for i := range r.Trained {
		if s, ok := r.Trained[i].decided(len(r.Trained) > 1); ok {
			p.Sections = append(p.Sections, s)
		}
	}
	return p, nil
}

// verdict has up to three sentences: how far the last training came, whether it should go
// on, and what it cost.
func (r *Run) verdict() []string {
	if len(r.Trained) == 0 {
		e := &r.Exported[0]
		if e.Fault != "" {
			return []string{"The bundle cannot be opened."}
		}
		names := slices.Sorted(maps.Keys(e.Metrics))
		for _, want := range []string{"valid/loss", "train/loss"} {
			if slices.Contains(names, want) {
				return []string{fmt.Sprintf("The %s of what ships is %s.", spoken(want), page.Number(e.Metrics[want]))}
			}
		}
		return nil
	}
	t := &r.Trained[len(r.Trained)-1]
	var out []string
	if n := len(t.History); n == 0 {
		out = append(out, fmt.Sprintf("No epoch of %s is finished yet.", t.Model))
	} else {
		out = append(out, t.came(), t.goesOn())
	}
	epochs, seconds, rows, memory := 0, 0.0, 0.0, int64(0)
	for i := range r.Trained {
		t := &r.Trained[i]
		epochs, seconds, memory = epochs+len(t.History), seconds+t.Seconds, max(memory, t.Memory)
		for _, e := range t.History {
			rows += e.RowsPerSecond * e.Seconds
		}
	}
	if epochs > 0 && seconds > 0 {
		s := fmt.Sprintf("%s took %s, at %s rows a second", counted(epochs, "epoch"), duration(seconds), page.Number(round(rows/seconds, 3)))
		if memory > 0 {
			s += ", and " + size(memory) + " of memory"
		}
		out = append(out, s+".")
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// judged is the loss that a training is read by.
func judged(e *train.Epoch) float64 {
	if e.Validated {
		return e.Valid.Loss
	}
	return e.Train.Loss
}

func (t *Trained) lossName() string {
	if t.History[0].Validated {
		return "validation loss"
	}
	return "training loss"
}

// came says how far the training came.
func (t *Trained) came() string {
	n := len(t.History)
	first, last := judged(&t.History[0]), judged(&t.History[n-1])
	if n == 1 {
		return fmt.Sprintf("After one epoch the %s of %s is %s.", t.lossName(), t.Model, page.Number(last))
	}
	went := "fell"
	if last >= first {
		went = "did not fall but went"
	}
	s := fmt.Sprintf("The %s of %s %s from %s to %s in %d epochs", t.lossName(), t.Model, went, page.Number(first), page.Number(last), n)
	if t.Best > 0 && t.Best <= n && t.Best != n {
		s += fmt.Sprintf("; the best epoch was %d, with %s", t.Best, page.Number(judged(&t.History[t.Best-1])))
	}
	return s + "."
}

// goesOn says whether more epochs promise anything.
func (t *Trained) goesOn() string {
	n := len(t.History)
	if n < 5 {
		return ""
	}
	tail := max(2, n/10)
	since := n - t.Best
	if t.History[0].Validated && t.Best > 0 && since > max(tail, 2) {
		s := fmt.Sprintf("For %d epochs no epoch was better", since)
		if t.History[n-1].Train.Loss < t.History[t.Best-1].Train.Loss {
			s += ", while the training loss went on falling: the net now learns the training rows by heart"
		}
		return s + "."
	}
	before, now := judged(&t.History[n-1-tail]), judged(&t.History[n-1])
	if before > 0 && now < before*0.99 {
		return fmt.Sprintf("The last %d epochs still lowered it by %s %%, so more epochs may help.", tail, page.Number(round(100*(1-now/before), 2)))
	}
	return fmt.Sprintf("The last %d epochs lowered it by less than 1 %%, so more epochs will hardly help.", tail)
}

func (r *Run) facts() []page.Fact {
	var out []page.Fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, page.Fact{Name: name, Value: value})
		}
	}
	var machines, seeds, kernels, models []string
	once := func(list *[]string, s string) {
		if s != "" && !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	seconds, memory, epochs, updates, parameters := 0.0, int64(0), 0, int64(0), int64(0)
	for i := range r.Trained {
		t := &r.Trained[i]
		once(&models, t.Model)
		for _, m := range t.Machines {
			once(&machines, m)
		}
		once(&seeds, strconv.FormatUint(t.Seed, 10))
		once(&kernels, t.Kernels)
		seconds, memory, epochs = seconds+t.Seconds, max(memory, t.Memory), epochs+len(t.History)
		if len(t.History) > 0 {
			updates += t.History[len(t.History)-1].Updates
		}
		parameters = t.Parameters
	}
	for i := range r.Exported {
		if e := &r.Exported[i]; len(r.Trained) == 0 && e.Fault == "" {
			once(&seeds, strconv.FormatUint(e.Seed, 10))
			once(&kernels, e.Kernels)
		}
	}
	add("Model", strings.Join(models, ", "))
	if len(r.Trained) == 1 {
		add("Parameters", page.Number(float64(parameters)))
	}
	add("Machine", strings.Join(machines, "; "))
	add("Kernels", strings.Join(kernels, ", "))
	add(plural(len(seeds), "Seed", "Seeds"), strings.Join(seeds, ", "))
	if len(r.Trained) > 0 {
		add("Epochs", page.Number(float64(epochs)))
		add("Updates", page.Number(float64(updates)))
		add("Time", duration(seconds))
	}
	if memory > 0 {
		add("Most memory", size(memory))
	}
	return out
}

// section has the curves of a training.
func (t *Trained) section(several bool) page.Section {
	s := page.Section{Title: "How it was trained"}
	if several {
		s.Title = t.Name
		s.Text = []string{fmt.Sprintf("%s, %s, seed %d, in %s.", t.Model, counted(len(t.History), "epoch"), t.Seed, duration(t.Seconds))}
	}
	if len(t.History) == 0 {
		s.Text = append(s.Text, "No epoch is finished yet.")
		return s
	}
	epoch := page.Axis{Label: "epoch"}
	both := func(title, label string, small bool, of func(v *train.Values) (float64, bool)) {
		l := &page.Lines{Title: title, X: epoch, Y: page.Axis{Label: label}, Small: small}
		for _, part := range []struct {
			name string
			of   func(e *train.Epoch) *train.Values
		}{{"training", func(e *train.Epoch) *train.Values { return &e.Train }}, {"validation", func(e *train.Epoch) *train.Values {
			if !e.Validated {
				return nil
			}
			return &e.Valid
		}}} {
			if c := t.curve(part.name, func(e *train.Epoch) (float64, bool) {
				v := part.of(e)
				if v == nil {
					return 0, false
				}
				return of(v)
			}); len(c.Points) > 0 {
				l.Series = append(l.Series, c)
			}
		}
		l.Y.Log = wide(l.Series)
		s.Blocks = append(s.Blocks, l)
	}
	both("Loss", "loss, mean over rows", false, func(v *train.Values) (float64, bool) { return v.Loss, true })
	for _, name := range t.names(func(v *train.Values) engine.Metrics { return v.Losses }) {
		both(name, "loss", true, func(v *train.Values) (float64, bool) { x, ok := v.Losses[name]; return x, ok })
	}
	for _, name := range t.names(func(v *train.Values) engine.Metrics { return v.Metrics }) {
		both(name, name, true, func(v *train.Values) (float64, bool) { x, ok := v.Metrics[name]; return x, ok })
	}
	one := func(title, label string, series ...page.Series) {
		s.Blocks = append(s.Blocks, &page.Lines{Title: title, X: epoch, Y: page.Axis{Label: label, Zero: true}, Series: series, Small: true})
	}
	one("Learning rate", "of the epoch's last update", t.curve("learning rate", func(e *train.Epoch) (float64, bool) { return e.Rate, true }))
	if mean := t.curve("mean", func(e *train.Epoch) (float64, bool) { return e.GradNorm, e.GradNorm > 0 }); len(mean.Points) > 0 {
		one("Norm of the gradients", "L2 norm, before clipping", mean, t.curve("greatest", func(e *train.Epoch) (float64, bool) { return e.GradNormMax, e.GradNorm > 0 }))
	}
	one("Speed", "rows a second, without validation", t.curve("speed", func(e *train.Epoch) (float64, bool) { return e.RowsPerSecond, true }))
	return s
}

// curve has the epochs of which something is known.
func (t *Trained) curve(name string, of func(e *train.Epoch) (float64, bool)) page.Series {
	s := page.Series{Name: name}
	for i := range t.History {
		e := &t.History[i]
		if y, ok := of(e); ok {
			s.Points = append(s.Points, page.Point{X: float64(e.Number), Y: y})
		}
	}
	return s
}

// names are those of all epochs' numbers, in order.
func (t *Trained) names(of func(*train.Values) engine.Metrics) []string {
	all := map[string]bool{}
	for i := range t.History {
		for _, v := range []*train.Values{&t.History[i].Train, &t.History[i].Valid} {
			for name := range of(v) {
				all[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// wide reports whether the numbers ask for a logarithmic axis.
func wide(series []page.Series) bool {
	low, high := 0.0, 0.0
	for _, s := range series {
		for _, p := range s.Points {
			if !(p.Y > 0) {
				return false
			}
			if low == 0 || p.Y < low {
				low = p.Y
			}
			high = max(high, p.Y)
		}
	}
	return high > 8*low && low > 0
}

// decided lists what decided the result.
func (t *Trained) decided(several bool) (page.Section, bool) {
	if len(t.Facts) == 0 {
		return page.Section{}, false
	}
	s := page.Section{Title: "What decided the result"}
	if several {
		s.Title += ", " + t.Name
	}
	table := &page.Table{Title: "Options, model and rows", Columns: []string{"what", "value"}}
	const most = 300
	for _, f := range t.Facts {
		value := f.Value
		if f.SHA256 != "" {
			value = strings.TrimSpace(value + " (SHA-256 " + f.SHA256[:min(12, len(f.SHA256))] + "…)")
		}
		table.Rows = append(table.Rows, []string{f.Name, value})
	}
	if len(table.Rows) > most {
		table.Note = fmt.Sprintf("The first %d of %d; the rest is in the JSON file.", most, len(table.Rows))
		table.Rows = table.Rows[:most]
	}
	shapes := &page.Table{Title: "Parameters and state", Columns: []string{"name", "shape", "numbers"}}
	for _, name := range t.tensors.Names() {
		shape, data, _ := t.tensors.Tensor(name)
		shapes.Rows = append(shapes.Rows, []string{name, fmt.Sprint(shape), page.Number(float64(len(data)))})
	}
	s.Blocks = []page.Block{table, shapes}
	return s, true
}

// spoken is the name of a metric in words.
func spoken(name string) string {
	return strings.NewReplacer("valid/", "validation ", "train/", "training ").Replace(name)
}

func counted(n int, what string) string {
	return page.Number(float64(n)) + " " + plural(n, what, what+"s")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// duration is a time in at most two units.
func duration(seconds float64) string {
	if !(seconds >= 0) || seconds > 1e9 {
		return "an unknown time"
	}
	if seconds < 60 {
		return page.Number(round(seconds, 3)) + " s"
	}
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if d < time.Hour {
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%s h %d min", page.Number(float64(int(d.Hours()))), int(d.Minutes())%60), " 0 min")
}

// size is a number of bytes in the unit that suits it.
func size(bytes int64) string {
	switch x := float64(bytes); {
	case x >= 1e9:
		return page.Number(round(x/1e9, 3)) + " GB"
	case x >= 1e6:
		return page.Number(round(x/1e6, 3)) + " MB"
	default:
		return page.Number(round(x/1e3, 3)) + " kB"
	}
}

// round keeps so many significant digits.
func round(x float64, digits int) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
	if err != nil {
		return x
	}
	return y
}
