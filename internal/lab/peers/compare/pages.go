package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// places are the files that a comparison is written into.
type places struct {
	out    string // the folder of runs.jsonl and of the tables with every shape
	readme string // the page of every CPU's tables, "" for none
	front  string // the page of the short table, "" for none
	kept   string // the folder of what the short table has of each CPU
}

// publish prints the tables with every shape and writes them to a file; the short
// ones go into the pages.
func publish(list []record, to places, w io.Writer) error {
	full := tables(list, true)
	if err := atomicfile.WriteBytes(filepath.Join(to.out, "tables.md"), []byte(full)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, full); err != nil {
		return err
	}
	m, date := machineOf(list)
	if m == nil {
		return nil
	}
	if to.readme != "" {
		page, err := os.ReadFile(to.readme)
		if err == nil {
			page, err = insert(page, m.title(), tables(list, false))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", to.readme, err)
		}
		if err := atomicfile.WriteBytes(to.readme, page); err != nil {
			return err
		}
	}
	if to.front == "" {
		return nil
	}
	if err := keep(to.kept, summarize(list, m, date)); err != nil {
		return err
	}
	all, err := summaries(to.kept)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(to.front)
	if err == nil {
		page, err = frontPage(page, all)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", to.front, err)
	}
	return atomicfile.WriteBytes(to.front, page)
}

// machineOf is where and when the last session ran, nil where no record says.
func machineOf(list []record) (*machine, string) {
	for _, r := range slices.Backward(list) {
		if r.Part == partMachine && r.Machine != nil {
			return r.Machine, r.Session[:min(10, len(r.Session))]
		}
	}
	return nil, ""
}

// title names a CPU's section of a page; a new comparison on that CPU replaces it.
func (m *machine) title() string { return fmt.Sprintf("%s, %s kernels", m.CPU, m.Kernels) }

// The marks in a page between which the tables of all CPUs stand.
const (
	begin = "<!-- speed: written by make bench-readme -->"
	end   = "<!-- end of speed -->"
)

// section is the line that begins a CPU's section.
const section = "### "

// insert puts a CPU's section between the marks, before those of other CPUs and in
// place of the one that it has there.
func insert(page []byte, title, text string) ([]byte, error) {
	i := bytes.Index(page, []byte(begin))
	if i < 0 {
		return nil, fmt.Errorf("no line %s", begin)
	}
	i += len(begin)
	j := bytes.Index(page[i:], []byte(end))
	if j < 0 {
		return nil, fmt.Errorf("no line %s after %s", end, begin)
	}
	head := section + title + "\n"
	others := ""
	for _, part := range strings.SplitAfter("\n"+strings.TrimSpace(string(page[i:i+j])), "\n"+section)[1:] {
		part = strings.TrimSuffix(part, "\n"+section)
		if part = section + strings.TrimSpace(part) + "\n"; !strings.HasPrefix(part, head) {
			others += "\n" + part
		}
	}
	return slices.Concat(page[:i], []byte("\n\n"+head+"\n"+strings.TrimSpace(text)+"\n"+others+"\n"), page[i+j:]), nil
}

// summary is what the short table has of a CPU.
type summary struct {
	CPU     string `json:"cpu"`
	Kernels string `json:"kernels"`
	Date    string `json:"date"`
	Lamina  string `json:"lamina"`
	Lines   []line `json:"lines"`
}

// line is a work's figures with two threads.
type line struct {
	What   string  `json:"what"`
	Ours   float64 `json:"ours,omitempty"`
	Peer   string  `json:"peer,omitempty"` // the best
	Theirs float64 `json:"theirs,omitempty"`
	Factor float64 `json:"factor"`
}

// shortWorks are the lines of the short table, by what they are called there.
var shortWorks = []struct {
	what  string
	place measured
}{
	{"tied autoencoder 784-100-30, batch 256, samples/s", measured{Work: "tied-ae", Precision: fp32}},
	{"deep autoencoder 784-1000-500-250-30, batch 256", measured{Work: "deep-ae", Precision: fp32}},
	{"convolutional autoencoder of 28x28, batch 256", measured{Work: "conv-ae", Precision: fp32}},
	{"ResNet-20 of 3x32x32, batch 128", measured{Work: netWork, Precision: fp32}},
}

// Further lines of the short table.
const (
	shortProducts = "matrix products, geometric mean"
	shortNet      = "the exported ResNet-20, one row, one thread, µs"
)

// key tells lines with the same words apart.
func shortKey(place measured) string { return place.Work + " " + place.Precision }

func summarize(list []record, m *machine, date string) summary {
	s := summary{CPU: m.CPU, Kernels: m.Kernels, Date: date, Lamina: m.Lamina}
	for _, w := range shortWorks {
		at := w.place
		at.Threads = 2
		if f := figureOf(list, at); f.factor.N > 0 {
			s.Lines = append(s.Lines, line{shortKey(w.place), f.ours.Median, f.peer, f.theirs.Median, f.factor.Median})
		}
	}
	if mean, _, _, n := meanFactor(list, "", 2); n > 0 {
		s.Lines = append(s.Lines, line{What: shortProducts, Peer: "OpenBLAS, oneDNN", Factor: mean})
	}
	at, rival := encodingAt(list, netWork, 1, 1), runtimes["onnxruntime"]
	if f := spreadOf(pairs(at, rival, speed)); f.N > 0 {
		micro := func(r *record) float64 { return r.US }
		s.Lines = append(s.Lines, line{shortNet, spreadOf(values(at, ours, micro)).Median, rival, spreadOf(values(at, rival, micro)).Median, f.Median})
	}
	return s
}

// keep writes a CPU's summary into the folder, for later short tables.
func keep(dir string, s summary) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(s.CPU+" "+s.Kernels), "-"), "-")
	return atomicfile.WriteBytes(filepath.Join(dir, name+".json"), append(b, '\n'))
}

// summaries reads what was kept of every CPU, the newest first.
func summaries(dir string) (all []summary, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var s summary
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b summary) int { return strings.Compare(b.Date, a.Date) })
	return all, nil
}

// frontPage replaces the table that follows the first mark: the newest CPU's figures,
// and the factors of the others beside them.
func frontPage(page []byte, all []summary) ([]byte, error) {
	i := bytes.Index(page, []byte(begin+"\n"))
	if i < 0 {
		return nil, fmt.Errorf("no line %s", begin)
	}
	i += len(begin) + 1
	for i < len(page) && page[i] == '\n' {
		i++
	}
	j := i
	for bytes.HasPrefix(page[j:], []byte("|")) {
		n := bytes.IndexByte(page[j:], '\n')
		if n < 0 {
			return nil, fmt.Errorf("the table after %s has no end", begin)
		}
		j += n + 1
	}
	return slices.Concat(page[:i], []byte(shortTable(all)), page[j:]), nil
}

func shortTable(all []summary) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	head := []string{all[0].CPU + ", " + all[0].Kernels, "Lamina", "best peer", "factor"}
	for _, s := range all[1:] {
		head = append(head, "factor on "+s.CPU+", "+s.Kernels)
	}
	header(&b, head...)
	find := func(s summary, what string) (line, bool) {
		i := slices.IndexFunc(s.Lines, func(l line) bool { return l.What == what })
		if i < 0 {
			return line{}, false
		}
		return s.Lines[i], true
	}
	put := func(title, what string, format func(float64) string) {
		cells, any := []string{title, "", "–", "–"}, false
		if l, ok := find(all[0], what); ok {
			any = true
			cells = []string{title, "", l.Peer, factor(l.Factor)}
			if l.Ours > 0 {
				cells[1], cells[2] = format(l.Ours), format(l.Theirs)+" "+l.Peer
			}
		}
		for _, s := range all[1:] {
			cell := ""
			if l, ok := find(s, what); ok {
				any, cell = true, factor(l.Factor)
			}
			cells = append(cells, cell)
		}
		if any {
			row(&b, cells...)
		}
	}
	for _, w := range shortWorks {
		put(w.what, shortKey(w.place), count)
	}
	put(shortProducts, shortProducts, micros)
	put(shortNet, shortNet, micros)
	return strings.TrimPrefix(b.String(), "\n")
}
