package dataset

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type person struct {
	Age     float64 `lamina:"age,number,unit=years"`
	Height  *float32
	Zip     int       `lamina:"zip,category"`
	Born    time.Time `lamina:"born,format=2006-01-02"`
	Member  bool
	Left    *string `lamina:",label"`
	Pay     uint16  `lamina:"pay,target"`
	Comment string  `lamina:"-"`
	hidden  chan int
}

func persons() []person {
	yes, no, tall := "yes", "no", float32(1.9)
	nan := float64(noValue)
	return []person{
		{Age: 41.5, Height: &tall, Zip: 8001, Born: time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC), Left: &yes, Pay: 7},
		{Age: nan, Zip: 900, Member: true, Left: &no},
		{Age: -1, Height: &tall, Zip: 8001, Born: time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC), Comment: "x"},
	}
}

func TestFromStructs(t *testing.T) {
	table, err := FromStructs(persons(), Unit("m", "Height"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{
		{Name: "age", Kind: Number, Unit: "years"},
		{Name: "Height", Kind: Number, Unit: "m", Note: `every value is "1.9"`},
		{Name: "zip", Kind: Category, Values: []string{"900", "8001"}},
		{Name: "born", Kind: Date, Format: isoDate},
		{Name: "Member", Kind: Category, Values: []string{"false", "true"}},
		{Name: "Left", Kind: Label, Values: []string{"no", "yes"}},
		{Name: "pay", Kind: Target},
	}
	s := table.Schema()
	if diff := cmp.Diff(want, s.Fields); diff != "" {
		t.Error(diff)
	}
	x := table.F32("numeric")
	if got := []float32{x[0], x[1], x[2], x[7], x[8], x[9], x[14], x[16]}; !sameBits(got, []float32{41.5, 1.9, 2000, noValue, noValue, noValue, -1, 1999}) {
		t.Errorf("numeric is %v", x)
	}
	if got := table.I64("categorical"); !slices.Equal(got, []int64{3, 2, 2, 3, 3, 2}) {
		t.Errorf("categorical is %v", got)
	}
	if got := table.I64("y"); !slices.Equal(got, []int64{1, 0, -1}) {
		t.Errorf("y is %v", got)
	}
	// Other rows, one after the other and as pointers.
	var seq iter.Seq[*person] = func(yield func(*person) bool) {
		for _, p := range persons() {
			p.Zip = 1
			if !yield(&p) {
				return
			}
		}
	}
	more, err := s.Read(context.Background(), Structs(seq))
	if err != nil || !slices.Equal(more.I64("categorical"), []int64{UnseenID, 2, UnseenID, 3, UnseenID, 2}) || !sameBits(more.F32("numeric"), x) {
		t.Errorf("%v, %v", more, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Read(ctx, Structs(seq)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

func TestBadStructs(t *testing.T) {
	_, err := FromStructs([]int{1})
	wantError(t, err, "int is no struct")
	_, err = FromStructs([]person{})
	wantError(t, err, "no rows")
	_, err = FromStructs([]struct{ hidden int }{{1}})
	wantError(t, err, "no exported fields")
	_, err = FromStructs([]struct{ A []int }{{nil}})
	wantError(t, err, "field A", "[]int is no value of a table", `"-"`)
	_, err = FromStructs([]struct {
		A int `lamina:"a,nmber"`
	}{{1}})
	wantError(t, err, "field A", `"nmber" is neither a kind`, "number, category")
	_, err = FromStructs([]struct {
		a int `lamina:"a"`
	}{{1}})
	wantError(t, err, "field a", "capital letter")
	_, err = FromStructs([]struct {
		A int
		B int `lamina:"A"`
	}{{1, 2}})
	wantError(t, err, "field B", `field A is named "A" too`)
	_, err = FromStructs([]struct {
		A float64 `lamina:"a,number"`
	}{{1}, {1e300}})
	wantError(t, err, `row 1`, `column "a"`, "overflows")
	_, err = FromStructs([]*person{nil})
	wantError(t, err, "row 0", "the pointer is nil")
	table, err := FromStructs(persons())
	if err != nil {
		t.Fatal(err)
	}
	maybe := "maybe"
	_, err = table.Schema().Read(context.Background(), Structs(slices.Values([]person{{Left: &maybe}})))
	wantError(t, err, "row 0", `column "Left"`, `"maybe" is none of the classes`)
	_, err = table.Schema().Read(context.Background(), Structs(slices.Values([]struct{ Age, Height, Zip int }{{1, 2, 3}})))
	wantError(t, err, `no column "age"`, `"Age", "Zip" instead`)
}

// FuzzStructTag: what a tag says is one of what tags may say.
func FuzzStructTag(f *testing.F) {
	for _, tag := range []string{"", "age", ",number", "age,number,unit=years", "d,format=Jan 2, 2006", "a,unit=", "-", "a,,b"} {
		f.Add(tag)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		got, err := parseTag(tag)
		if err != nil {
			return
		}
		if got.kind != "" && !slices.Contains(fieldKinds, got.kind) || strings.Contains(got.name, ",") || strings.Contains(got.unit, ",") {
			t.Fatalf("%q is %+v", tag, got)
		}
	})
}
