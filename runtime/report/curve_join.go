package report

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/internal/regular"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Joined is a file of predictions that another tool made with the labels of the draws.
//
//	lamina predictions 1
//	rows 5f1c…   the hash of the rows, as in the index files
//	test 5f1c…   of the test rows, or the same again
//	draw,fold,labels,row,predicted
//	1,0,20,17,2
//
// There is a line for each row that is measured on, of each draw, fold and number of labels;
// fold is 0 where there are test rows. predicted is the number of a class, from 0.
type Joined struct {
	Name string // for tables
	File string
}

const (
	joinedFirst = "lamina predictions 1"
	joinedNames = "draw,fold,labels,row,predicted"
	mostJoined  = 4096 // bytes of a line
)

// join reads the predictions of other tools.
func (r *curving) join() ([]*point, error) {
	var all []*point
	for _, j := range r.o.Joined {
		points, err := r.joined(j)
		if err != nil {
			return nil, wrongOption("Joined", "predictions of %q: %s: %w", j.Name, j.File, err)
		}
		all = append(all, points...)
	}
	return all, nil
}

// of is a draw with a number of labels.
type ofDraw struct{ draw, fold, labels int }

func (r *curving) joined(j Joined) ([]*point, error) {
	f, _, err := regular.Open(j.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 0, mostJoined), mostJoined)
	line := 0
	next := func() (string, bool) {
		line++
		ok := in.Scan()
		return strings.TrimSuffix(in.Text(), "\r"), ok
	}
	for _, want := range []string{joinedFirst, "rows " + r.hash, "test " + r.testHash, joinedNames} {
		got, _ := next()
		if got == want {
			continue
		}
		if kind, _, ok := strings.Cut(want, " "); ok && (kind == "rows" || kind == "test") && strings.HasPrefix(got, kind+" ") {
			return nil, fmt.Errorf("line %d: they are predictions of other rows: %s have the hash %.12s…, and those of the file %.12s…", line, map[string]string{"rows": "these rows", "test": "these test rows"}[kind], want[5:], strings.TrimSpace(got[5:]))
		}
		return nil, fmt.Errorf("line %d must be %q, got %q", line, want, got[:min(len(got), 80)])
	}
	cells := map[[2]int]*cell{}
	for _, c := range r.cells {
		cells[[2]int{c.draw, c.fold}] = c
	}
	predicted := map[ofDraw][]int{}
	places := map[*cell]map[int]int{} // where a row is among those that are measured
	for {
		s, ok := next()
		if !ok {
			break
		}
		var n [5]int
		fields := strings.Split(s, ",")
		if len(fields) != len(n) {
			return nil, fmt.Errorf("line %d must be five numbers with commas between, got %q", line, s[:min(len(s), 80)])
		}
		for i, x := range fields {
			if n[i], err = strconv.Atoi(strings.TrimSpace(x)); err != nil {
				return nil, fmt.Errorf("line %d: %q is no number", line, x[:min(len(x), 40)])
			}
		}
		c := cells[[2]int{n[0], n[1]}]
		if c == nil || !slices.Contains(r.o.Counts, n[2]) {
			continue // of a larger curve
		}
		if n[4] < 0 || n[4] >= r.classes {
			return nil, fmt.Errorf("line %d: %d is not one of the classes, 0 to %d", line, n[4], r.classes-1)
		}
		if places[c] == nil {
			places[c] = make(map[int]int, len(c.testRows))
			for i, row := range c.testRows {
				places[c][row] = i
			}
		}
		i, ok := places[c][n[3]]
		if !ok {
			return nil, fmt.Errorf("line %d: row %d is not measured on in draw %d, fold %d: they are predictions of other rows", line, n[3], n[0], n[1])
		}
		key := ofDraw{n[0], n[1], n[2]}
		if predicted[key] == nil {
			predicted[key] = slices.Repeat([]int{-1}, len(c.y))
		}
		if predicted[key][i] >= 0 {
			return nil, fmt.Errorf("line %d: row %d comes twice in draw %d, fold %d with %d labels", line, n[3], n[0], n[1], n[2])
		}
		predicted[key][i] = n[4]
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	var points []*point
	for _, c := range r.cells {
		for _, n := range r.o.Counts {
			p := predicted[ofDraw{c.draw, c.fold, n}]
			if at := slices.Index(p, -1); p == nil || at >= 0 {
				row := c.testRows[max(at, 0)]
				return nil, fmt.Errorf("there is no prediction of row %d in draw %d, fold %d with %d labels", row, c.draw, c.fold, n)
			}
			q := &point{Arm: j.Name, Draw: c.draw, Fold: c.fold, Labels: n}
			q.score(r.classes, p, c.y, c.groups)
			points = append(points, q)
		}
	}
	return points, nil
}

//go:embed assets/boosted_trees.py
var boostedTrees []byte

// mostTable bounds the bytes of the table that is written for other tools.
const mostTable = 256 << 20

// script writes a program of scikit-learn beside the draws, and the rows as a table of numbers for it.
func (r *curving) script(ctx context.Context) error {
	dir := filepath.Join(r.o.Dir, "draws")
	if err := atomicfile.WriteBytes(filepath.Join(dir, "boosted_trees.py"), boostedTrees); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	sides := []struct {
		name string
		src  dataset.Source
		hash string
	}{{"rows", r.o.Rows, r.hash}}
	if r.o.Test != nil {
		sides = append(sides, struct {
			name string
			src  dataset.Source
			hash string
		}{"test", r.o.Test, r.testHash})
	}
	inputs, err := inputsOf(r.first.Task)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range inputs {
		names = append(names, v.Name)
	}
	for _, s := range sides {
		width := 0
		for _, c := range s.src.Columns() {
			if slices.Contains(names, c.Name) {
				width += c.Width()
			}
		}
		if width*s.src.Len() > mostTable/4 {
			r.notes = append(r.notes, fmt.Sprintf("The %s rows of %s numbers were not written for other tools: they are more than %d MB.", grouped(s.src.Len()), grouped(width), mostTable>>20))
			continue
		}
		done := filepath.Join(dir, s.name+".sha256")
		if b, err := os.ReadFile(done); err == nil && strings.TrimSpace(string(b)) == s.hash {
			continue
		}
		if err := r.table(ctx, filepath.Join(dir, s.name), s.src, names, width); err != nil {
			return err
		}
		if err := atomicfile.WriteBytes(done, []byte(s.hash+"\n")); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

// table writes the columns of a source as one array of float32, a row each, which of its columns are ids, and the labels.
func (r *curving) table(ctx context.Context, path string, src dataset.Source, names []string, width int) error {
	y, err := dataset.All(src).I64(r.label)
	if err != nil {
		return err
	}
	err = atomicfile.Write(path+"-x.npy", func(w io.Writer) error {
		if err := npywrite.Begin[float32](w, []int{src.Len(), width}); err != nil {
			return err
		}
		at := 0
		return dataset.Each(ctx, src, 256, func(b dataset.Batch) error {
			n := min(256, src.Len()-at)
			at += n
			out := make([]float32, 0, n*width)
			for i := range n {
				for _, c := range src.Columns() {
					if !slices.Contains(names, c.Name) {
						continue
					}
					k := c.Width()
					switch c.DType {
					case dataset.F32:
						out = append(out, b.F32(c.Name)[i*k:][:k]...)
					case dataset.I64:
						for _, v := range b.I64(c.Name)[i*k:][:k] {
							out = append(out, float32(v))
						}
					default:
						for _, v := range b.U8(c.Name)[i*k:][:k] {
							out = append(out, float32(v))
						}
					}
				}
			}
			return npywrite.Append(w, out)
		})
	})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var ids []int64 // columns of the array that are no numbers
	at := 0
	for _, c := range src.Columns() {
		if !slices.Contains(names, c.Name) {
			continue
		}
		for range c.Width() {
			if c.DType == dataset.I64 {
				ids = append(ids, int64(at))
			}
			at++
		}
	}
	err = atomicfile.Write(path+"-ids.npy", func(w io.Writer) error { return npywrite.Write(w, []int{len(ids)}, ids) })
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = atomicfile.Write(path+"-y.npy", func(w io.Writer) error { return npywrite.Write(w, []int{len(y)}, y) })
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
