package dataset

import (
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// with returns a table without rows that remembers a mistake, as method: rule, and the line outside this package
// where it was made.
func (t *Table) with(format string, a ...any) *Table {
	method, rule, _ := strings.Cut(fmt.Sprintf(format, a...), ": ")
	at := ir.Here(func(f string) bool { return strings.HasPrefix(f, inside) })
	e := &ir.Error{Op: "dataset: " + method, Rule: rule, Made: at.Made, From: at.From}
	return &Table{cols: t.cols, err: e}
}

// inside begins the names of this package's functions.
const inside = "github.com/lamina-ml/lamina/runtime/dataset."
