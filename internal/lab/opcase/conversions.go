package opcase

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Conversion is a line of testdata/cast/cast.txt: vectors of two element types.
type Conversion struct{ From, To *ir.Tensor }

// Conversions reads the table.
func Conversions(path string) ([]Conversion, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []Conversion
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		words := strings.Fields(sc.Text())
		c := Conversion{&ir.Tensor{DType: ir.ParseDType(words[0])}, &ir.Tensor{DType: ir.ParseDType(words[1])}}
		for _, w := range words[2:] {
			x, y, _ := strings.Cut(w, "=")
			if err := c.From.AppendText(x); err != nil {
				return nil, fmt.Errorf("%s: %s %s: %w", path, words[0], x, err)
			}
			if err := c.To.AppendText(y); err != nil {
				return nil, fmt.Errorf("%s: %s %s: %w", path, words[1], y, err)
			}
		}
		c.From.Shape, c.To.Shape = []int{c.From.Len()}, []int{c.To.Len()}
		list = append(list, c)
	}
	return list, sc.Err()
}

// Differs returns the first element of a conversion that is not what the table
// says, empty if all are.
func (c Conversion) Differs(got *ir.Tensor) string {
	if got.DType != c.To.DType || got.Len() != c.To.Len() {
		return fmt.Sprintf("%v to %v gives %v", c.From.Type(), c.To.Type(), got.Type())
	}
	for i := range got.Len() {
		if a, b := got.Text(i), c.To.Text(i); a != b {
			return fmt.Sprintf("%v %s is %s as %v, want %s", c.From.DType, c.From.Text(i), a, c.To.DType, b)
		}
	}
	return ""
}
