package train

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Event says how far a training has come.
type Event struct {
	Name          string // of the model or phase
	Epoch, Epochs int    // the current epoch, from 1
	Step, Steps   int    // finished steps of the epoch
	Shown         string // name of the loss in Loss, "" for the whole
	Loss          float64
	Rate          float64       // rows a second
	Left          time.Duration // to the end of the last epoch, at this rate
	Done          *Epoch        // set in the event that ends an epoch
	Note          string        // a message that belongs to no epoch, such as that the training resumes at its ninth
	BestBy        By            // what the best epoch is chosen by
}

// label is what Loss is.
func (e *Event) label() string {
	if e.Shown == "" {
		return "loss"
	}
	return strings.TrimPrefix(e.Shown, "loss/")
}

// Progress makes the reporter of one training; nil is silent.
type Progress func() Reporter

// Reporter shows events. It is called by one goroutine, a few times a second at
// most and at each epoch's end.
type Reporter interface {
	Report(Event)
	Close()
}

// Bar shows a live line on the standard error: epoch, step, loss, rows a second
// and time left. When that is not a terminal it prints one line an epoch.
func Bar() Reporter { return BarTo(os.Stderr)() }

// BarTo is Bar on w, which shows the live line if it is a terminal's file.
func BarTo(w io.Writer) Progress {
	return func() Reporter {
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return &live{w: w}
		}
		return plain{w}
	}
}

// best says, behind the number that epochs are judged by, that it is the best so far.
func (e *Event) best(name string) string {
	if name != e.BestBy.name || !e.Done.Best {
		return ""
	}
	return " (best)"
}

type plain struct{ w io.Writer }

func (p plain) Report(e Event) {
	if e.Note != "" {
		fmt.Fprintf(p.w, "%s: %s\n", e.Name, e.Note)
	}
	if e.Done != nil {
		fmt.Fprintf(p.w, "%s\n", epochLine(e))
	}
}

func (plain) Close() {}

func epochLine(e Event) string {
	s := fmt.Sprintf("%s: epoch %d/%d  %s %.5g", e.Name, e.Epoch, e.Epochs, e.label(), e.Done.Train.shown(e.Shown))
	if e.Done.Validated {
		s += fmt.Sprintf("  valid %.5g", e.Done.Valid.shown(e.Shown))
	}
	for _, name := range e.Done.metricNames() {
		s += fmt.Sprintf("  %s %.5g%s", name, e.Done.metric(name), e.best(name))
	}
	if b := e.BestBy; b.name != "" && b.ofLoss() {
		s += fmt.Sprintf("  %s %.5g%s", b.name, b.of(e.Done), e.best(b.name))
	}
	return s + fmt.Sprintf("  %.0f samples/s  %s left", e.Rate, e.Left.Round(time.Second))
}

// live redraws one line and leaves one finished line an epoch.
type live struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

func (l *live) Report(e Event) {
	if e.Note != "" {
		l.Close()
		fmt.Fprintf(l.w, "%s: %s\n", e.Name, e.Note)
		l.bar = nil
		return
	}
	if l.bar == nil {
		l.bar = progressbar.NewOptions(e.Steps, progressbar.OptionSetWriter(l.w), progressbar.OptionSetWidth(20),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	}
	if e.Done != nil {
		_ = l.bar.Clear()
		fmt.Fprintf(l.w, "%s\n", epochLine(e))
		l.bar = nil
		return
	}
	l.bar.Describe(fmt.Sprintf("%s: epoch %d/%d  step %d/%d  %s %.5g  %.0f samples/s  %s left",
		e.Name, e.Epoch, e.Epochs, e.Step, e.Steps, e.label(), e.Loss, e.Rate, e.Left.Round(time.Second)))
	_ = l.bar.Set(e.Step)
}

func (l *live) Close() {
	if l.bar != nil {
		_ = l.bar.Clear()
	}
}
