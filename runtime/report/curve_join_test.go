package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzJoined: whatever the file is, it is read as predictions of all measured rows or refused.
func FuzzJoined(f *testing.F) {
	head := joinedFirst + "\nrows aa\ntest bb\n" + joinedNames + "\n"
	for _, s := range []string{"", head, head + "1,0,4,0,1\n1,0,4,2,0\n", head + "1,0,4,0,1\r\n1,0,4,2,0", head + "1,0,4,1,1\n", head + "9,9,9,9,9\n", head + "1,0,4,0,-1\n", head + strings.Repeat("1", 5000), "rows\x00"} {
		f.Add(s)
	}
	path := filepath.Join(f.TempDir(), "joined")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		r := &curving{hash: "aa", testHash: "bb", classes: 2, o: CurveOptions{Counts: []int{4}},
			cells: []*cell{{draw: 1, testRows: []int{0, 2}, y: []int64{1, 0}, groups: []int64{0, 0}}}}
		points, err := r.joined(Joined{Name: "other", File: path})
		if err != nil {
			return
		}
		rows := 0
		for _, of := range points[0].Confusion {
			for _, n := range of {
				rows += n
			}
		}
		if len(points) != 1 || rows != 2 {
			t.Errorf("%d points of %d rows", len(points), rows)
		}
	})
}
