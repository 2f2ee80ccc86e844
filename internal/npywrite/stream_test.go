package npywrite

import (
	"bytes"
	"testing"
)

// Parts make the file that Write makes.
func TestAppend(t *testing.T) {
	data := make([]float64, 3*7000)
	for i := range data {
		data[i] = float64(i) / 7
	}
	var whole, parts bytes.Buffer
	if err := Write(&whole, []int{3, 7000}, data); err != nil {
		t.Fatal(err)
	}
	if err := Begin[float64](&parts, []int{3, 7000}); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]float64{data[:1], data[1:1], data[1:9000], data[9000:]} {
		if err := Append(&parts, p); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(whole.Bytes(), parts.Bytes()) {
		t.Error("the files differ")
	}
	if Begin[bool](&parts, []int{-1}) == nil || Begin[bool](&parts, make([]int, 65)) == nil {
		t.Error("a shape that no file has is begun")
	}
}
