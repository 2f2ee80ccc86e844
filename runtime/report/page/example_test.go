package page_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/runtime/report/page"
)

// A page of one chart, with an interval at its first point.
func ExamplePage_Write() {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	p := &page.Page{Title: "Labels", Verdict: []string{"600 labels are enough."}, Sections: []page.Section{{Title: "Curve", Blocks: []page.Block{
		&page.Lines{Title: "Error", X: page.Axis{Label: "labels", Log: true}, Y: page.Axis{Label: "error (%)", Zero: true},
			Series: []page.Series{{Name: "pretrained", Points: []page.Point{{X: 100, Y: 13.5, Low: 12.1, High: 14.9}, {X: 600, Y: 6.3}}}}},
	}}}}
	path := filepath.Join(dir, "labels.html")
	fmt.Println(p.Write(path))
	entries, err := os.ReadDir(dir)
	fmt.Println(len(entries), err)
	// Output:
	// <nil>
	// 1 <nil>
}
