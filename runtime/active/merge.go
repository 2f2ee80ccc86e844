package active

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// Merged says what [Merge] did.
type Merged struct {
	Added     int `json:"added"`     // labels that were not known
	Corrected int `json:"corrected"` // labels that were replaced
	Same      int `json:"same"`      // answers that were known already
	Empty     int `json:"empty"`     // rows without an answer
	Known     int `json:"known"`     // labels in the file now
	Rows      int `json:"rows"`      // of the data
}

// MergeOptions says how to read answers.
type MergeOptions struct {
	Classes []string // names of the classes, in order
	Correct bool     // answers replace labels that are there
}

// Merge takes the answers of a file of [Ranking.Write] into a file of [Labels], which it makes if there is none, and keeps the
// labels that are there. An answer is the name of a class or its number, from 0; rows without one are left out. With names a
// number that is a name is that name, and if all names are numbers, such as 1 to 5, an answer is one of them. A number may have been
// written anew by a program for tables, as 2.0 or 02. Answers that are merged already change nothing.
//
// Errors, with line and row, and then nothing is written: a row that the data do not have or that comes twice; rows of other
// data; an answer that is no class, or another one than the label that the row has, unless Correct is set; a label that is no class; a file that is not
// of this form; fewer than two classes; the file cannot be written.
func Merge(answers, labels string, o MergeOptions) (Merged, error) {
	var m Merged
	classes := o.Classes
	if len(classes) < 2 {
		return m, fmt.Errorf("active: there must be two classes or more to choose from, got %d", len(classes))
	}
	of, list, empty, err := readAnswers(answers)
	if err != nil {
		return m, err
	}
	l, err := ReadLabels(labels)
	if errors.Is(err, fs.ErrNotExist) {
		l, err = NewLabels(of), nil
	}
	if err != nil {
		return m, err
	}
	if how := of.other(l.Of); how != "" {
		return m, fmt.Errorf("active: %s is of other data than %s: %s", answers, labels, how)
	}
	for i, y := range l.Y {
		if y >= int64(len(classes)) {
			return m, fmt.Errorf("active: %s: row %d has the label %d, but the classes are 0 to %d", labels, i, y, len(classes)-1)
		}
	}
	if of.Mark != "" {
		l.Of = of
	}
	m.Empty, m.Rows = empty, of.Rows
	for _, a := range list {
		bad := func(format string, args ...any) (Merged, error) {
			return m, fmt.Errorf("active: %s: line %d: row %d: %s", answers, a.line, a.row, fmt.Sprintf(format, args...))
		}
		y := a.class(classes)
		switch had := l.Y[a.row]; {
		case y < 0:
			return bad("%q is no class; there are %s", clip(a.answer), someOf(classes))
		case had == y:
			m.Same++
		case had != evaluate.None && o.Correct:
			l.Y[a.row] = y
			m.Corrected++
		case had != evaluate.None:
			return bad("the answer is %s, but %s has %s already: correct one of them", named(classes, y), labels, named(classes, had))
		default:
			l.Y[a.row] = y
			m.Added++
		}
	}
	m.Known = len(l.Known())
	return m, l.Write(labels)
}

// class is the number of the class that was answered, by name or else by number; -1 for what is no class.
func (a answered) class(classes []string) int64 {
	if y := slices.Index(classes, a.answer); y >= 0 {
		return int64(y)
	}
	n, ok := whole(a.answer)
	if !ok {
		return -1
	}
	numbers, named := true, -1
	for k, name := range classes {
		switch v, ok := whole(name); {
		case !ok:
			numbers = false
		case v == n && named < 0:
			named = k
		case v == n: // 1 and 01
			return -1
		}
	}
	switch {
	case named >= 0:
		return int64(named)
	case !numbers && n >= 0 && n < len(classes):
		return int64(n)
	}
	return -1
}

// whole reads a whole number, which a program for tables may have written as 3.0.
func whole(s string) (n int, ok bool) {
	if before, after, point := strings.Cut(s, "."); point && after != "" && strings.Trim(after, "0") == "" {
		s = before
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// Unmerged returns how many answers a file of [Ranking.Write] has that the labels do not, and would be lost if it were
// written anew: 0 if there is no such file. Without classes any label of a row is its answer.
//
// Errors: what is no ranking, or cannot be read.
func Unmerged(path string, l *Labels, classes []string) (int, error) {
	of, list, _, err := readAnswers(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	case of.other(l.Of) != "":
		return len(list), nil
	}
	n := 0
	for _, a := range list {
		if y := l.Y[a.row]; y == evaluate.None || classes != nil && a.class(classes) != y {
			n++
		}
	}
	return n, nil
}

// named is a class for a person.
func named(classes []string, y int64) string {
	if classes[y] != strconv.FormatInt(y, 10) {
		return fmt.Sprintf("%q", classes[y])
	}
	return strconv.FormatInt(y, 10)
}

// someOf lists classes, the first of many.
func someOf(classes []string) string {
	out := ""
	for k, name := range classes {
		if k == 20 {
			return fmt.Sprintf("%s and %d more", out, len(classes)-k)
		}
		if k > 0 {
			out += ", "
		}
		out += clip(name)
	}
	return out
}
