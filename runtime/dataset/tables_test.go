package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// A schema is inferred once, written down beside the data, and reads this file and later ones alike.
func ExampleInfer() {
	dir, err := os.MkdirTemp("", "tables")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	old, later := filepath.Join(dir, "old.csv"), filepath.Join(dir, "later.csv")
	files := map[string]string{
		old:   "name,age,city,joined,left\nAnne,41,Rome,2013-01-01,no\nBob,NA,Bern,2013-06-01,yes\nCarl,29,,2014-02-01,no\n",
		later: "city,joined,age\nParis,2015-01-01,50\n",
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			fmt.Println(err)
			return
		}
	}
	ctx := context.Background()
	schema, err := dataset.Infer(ctx, old, dataset.Label.Of("left"), dataset.Ignored.Of("name"), dataset.Unit("years", "age"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(schema)
	path := filepath.Join(dir, "schema.json")
	if err := schema.WriteFile(path); err != nil {
		fmt.Println(err)
		return
	}
	rows, err := schema.CSV(old)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rows.Columns(), schema.Cardinalities(), schema.Classes())
	fmt.Println(rows.I64("categorical"), rows.I64("y"))
	if schema, err = dataset.ReadSchema(path); err != nil {
		fmt.Println(err)
		return
	}
	unlabelled, err := schema.Inputs().CSV(later)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(unlabelled.Columns(), unlabelled.I64("categorical"))
	_, err = schema.CSV(later)
	fmt.Println(err != nil)
	// Output:
	// name    ignored
	// age     number    years
	// city    category  Bern, Rome
	// joined  date      2006-01-02
	// left    label     no, yes
	// [numeric f32[6] categorical i64[1] y i64[]] [4] [no yes]
	// [3 2 1] [0 1 0]
	// [numeric f32[6] categorical i64[1]] [0]
	// true
}

// Rows of structs need no file, and no schema that was written before.
func ExampleFromStructs() {
	type person struct {
		Age  float64 `lamina:"age,number,unit=years"`
		City string  `lamina:"city,category"`
		Left *bool   `lamina:"left,label"`
	}
	yes, no := true, false
	rows, err := dataset.FromStructs([]person{{41, "Rome", &no}, {29, "Bern", &yes}, {50, "Rome", nil}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rows.F32("numeric"), rows.I64("categorical"), rows.I64("y"))
	// Output: [41 29 50] [3 2 3] [0 1 -1]
}
