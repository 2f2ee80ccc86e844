package yardstick

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// spent is what one way of a cell gave, and what it took.
type spent struct {
	Values  map[string]float64 `json:"values"`
	Seconds float64            `json:"seconds"`
	MB      float64            `json:"mb"` // that the process had more at its peak than before; 0 where no system tells
}

// way runs a part of a cell in a folder of its own, and measures what it takes. Run again, it gives what it gave if it
// came to its end, and else goes on: seconds add up, the memory is that of the last run.
func (in *input) way(name string, f func(in *input) (map[string]float64, error)) (x spent, err error) {
	part, w, done := *in, &watch{start: time.Now()}, ""
	if in.dir != "" {
		dir := filepath.Join(in.dir, filepath.FromSlash(name))
		part.dir, w.path, done = filepath.Join(dir, "training"), filepath.Join(dir, "seconds.json"), filepath.Join(dir, "outcome.json")
		if raw, err := os.ReadFile(done); err == nil && json.Unmarshal(raw, &x) == nil {
			return x, nil
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return x, err
		}
		if err := w.load(); err != nil {
			return x, err
		}
		part.progress = w.progress(in.progress)
	}
	debug.FreeOSMemory() // what the way before left
	before := resetPeak()
	if x.Values, err = f(&part); err != nil {
		return x, fmt.Errorf("%s: %w", name, err)
	}
	if peak := PeakMemory(); before > 0 && peak > before {
		x.MB = float64(peak-before) / (1 << 20)
	}
	if x.Seconds = w.seconds(); done == "" {
		return x, nil
	}
	raw, err := json.Marshal(x)
	if err != nil {
		return x, err
	}
	return x, atomicfile.WriteBytes(done, raw)
}

// of is the input of a way that is over, to have its training's result once more.
func (in *input) of(way string) *input {
	part := *in
	if in.dir != "" {
		part.dir = filepath.Join(in.dir, filepath.FromSlash(way), "training")
	}
	return &part
}

// add puts what a way took and gave beside the cell's value.
func (n *numbers) add(name string, x spent) {
	if n.also == nil {
		n.also = map[string]float64{}
	}
	for k, v := range x.Values {
		n.also[name+k] = v
	}
	n.also[name+"s"], n.also[name+"MB"] = x.Seconds, x.MB
}
