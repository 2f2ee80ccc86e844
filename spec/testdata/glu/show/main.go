// Command show prints where the layers of a model were made.
package main

import (
	"fmt"

	"example.com/glu"
	"github.com/lamina-ml/lamina/spec"
)

func block(units int) spec.Layer { return spec.Layers(glu.New(units), spec.Dense(units)) }

func main() {
	x := spec.Input("x", 5)
	m := spec.NewModel("m", spec.MSE(x.Then(block(4),
		spec.Dense(5)), x))
	for _, p := range m.Params() {
		fmt.Println(p.Name, p.Pos.Portable())
	}
	fmt.Println(spec.NewModel("empty").Err())
}
