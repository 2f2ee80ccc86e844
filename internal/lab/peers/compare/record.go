package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// measured is the line of JSON that a measuring program prints: of a training,
// of a product or of an encoding. Fields that a program has no use for are
// absent.
type measured struct {
	Peer        string     `json:"peer,omitempty"`
	Mode        string     `json:"mode,omitempty"`
	Version     string     `json:"version,omitempty"`
	Work        string     `json:"work,omitempty"`
	Threads     int        `json:"threads,omitempty"`
	Precision   string     `json:"precision,omitempty"` // of a training: fp32 or bf16
	Batch       int        `json:"batch,omitempty"`
	SamplesPerS float64    `json:"samples_per_s,omitempty"`
	Best        float64    `json:"best,omitempty"`
	USPerStep   float64    `json:"us_per_step,omitempty"`
	GFLOPS      float64    `json:"gflops,omitempty"`
	FirstStepS  float64    `json:"first_step_s,omitempty"`
	PeakRSSMB   float64    `json:"peak_rss_mb,omitempty"`
	Loss        [2]float64 `json:"loss,omitzero"`
	PeakGFLOPS  float64    `json:"peak_gflops,omitempty"`
	OfPeak      float64    `json:"of_peak,omitempty"`

	Shape  string  `json:"shape,omitempty"`
	Op     string  `json:"op,omitempty"`
	M      int     `json:"m,omitempty"`
	N      int     `json:"n,omitempty"`
	K      int     `json:"k,omitempty"`
	Kernel string  `json:"kernel,omitempty"`
	US     float64 `json:"us,omitempty"`

	Runtime string `json:"runtime,omitempty"`
}

// The parts of a comparison.
const (
	partMachine = "machine"
	partTrain   = "train"
	partGEMM    = "gemm"
	partEncode  = "encode"
	partDone    = "done" // a job of a session came to its end
)

// ours is the name that Lamina has among the peers.
const ours = "Lamina"

// oursInFloat is Lamina in float32, beside which it is measured in bf16.
const oursInFloat = "Lamina, float32"

// The precisions of a training's products.
const (
	fp32 = "fp32"
	bf16 = "bf16"
)

// record is one line of the file that a comparison leaves: a measurement with
// its place in the run, or why there is none.
type record struct {
	Part    string `json:"part"`
	Session string `json:"session"` // when the comparison began; later sessions replace what they measure again
	Round   int    `json:"round"`
	// Name is Lamina or a peer as tables call it. Beside is, in a record of
	// Lamina, the peer whose measurement followed.
	Name    string `json:"name,omitempty"`
	Beside  string `json:"beside,omitempty"`
	Missing string `json:"missing,omitempty"` // why the peer was not measured
	measured
	Machine *machine `json:"machine,omitempty"`
	How     string   `json:"how,omitempty"` // with what a job was measured: see setup.how
}

// machine says where a session ran.
type machine struct {
	CPU     string  `json:"cpu"`
	Cores   int     `json:"cores"`
	Kernels string  `json:"kernels"`
	BF16    string  `json:"bf16,omitempty"` // how products in bf16 are computed, as lamina cpu says it
	System  string  `json:"system"`
	Load    float64 `json:"load"` // processes that ran before the session began, mean of a minute
	Lamina  string  `json:"lamina"`
	Seconds float64 `json:"seconds"`
	Rounds  int     `json:"rounds"`
}

// parseMeasured reads a line that a measuring program printed.
func parseMeasured(line []byte) (m measured, err error) {
	if err := json.Unmarshal(line, &m); err != nil {
		return m, fmt.Errorf("not a line of JSON (%w): %.80q", err, line)
	}
	if m.SamplesPerS <= 0 && m.US <= 0 {
		return m, fmt.Errorf("neither samples_per_s nor us is in %.200q", line)
	}
	return m, nil
}

// load reads a file of records; without the file there are none.
func load(path string) ([]record, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []record
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		list = append(list, r)
	}
	return list, lines.Err()
}

// key is what a later session replaces.
func (r *record) key() string {
	return fmt.Sprint(r.Part, " ", r.Work, " ", r.Batch, " ", r.Threads, " ", r.Precision, " ", r.Shape)
}

// newest keeps, of records with the same key, those of the last session that has
// any, and the machines of the sessions that are left; not what says which jobs
// are done. Sessions are named by
// their time, in an order that strings have.
func newest(list []record) []record {
	list = slices.DeleteFunc(slices.Clone(list), func(r record) bool { return r.Part == partDone })
	last := map[string]string{}
	for i := range list {
		k := list[i].key()
		last[k] = max(last[k], list[i].Session)
	}
	used := map[string]bool{}
	for _, r := range list {
		if r.Part != partMachine && r.Session == last[r.key()] {
			used[r.Session] = true
		}
	}
	var kept []record
	for _, r := range list {
		if r.Part == partMachine && used[r.Session] || r.Part != partMachine && r.Session == last[r.key()] {
			kept = append(kept, r)
		}
	}
	// In the order of the works, whichever were measured last.
	slices.SortStableFunc(kept, func(a, b record) int {
		return cmp.Compare(slices.Index(works, a.Work), slices.Index(works, b.Work))
	})
	return kept
}
