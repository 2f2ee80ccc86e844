package dataset

import (
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// with returns a table without rows that remembers a mistake.
func (t *Table) with(format string, a ...any) *Table {
	return &Table{cols: t.cols, err: mistake(format, a...)}
}

// mistake is a mistake told as method: rule, with the line outside this package where it was made.
func mistake(format string, a ...any) error {
	method, rule, _ := strings.Cut(fmt.Sprintf(format, a...), ": ")
	at := ir.Here(func(f string) bool { return strings.HasPrefix(f, inside) })
	return &ir.Error{Op: "dataset: " + method, Rule: rule, Made: at.Made, From: at.From}
}

// inside begins the names of this package's functions.
const inside = "github.com/lamina-ml/lamina/runtime/dataset."
