package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

var updateProjects = flag.Bool("update-projects", false, "write the data of the projects of lamina new anew")

// TestProjectData: the data that a project starts with are what is made here, by seeds.
//
//	go test ./cmd/lamina -run TestProjectData -update-projects
func TestProjectData(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	files := map[string][]byte{"_table/data/rows.csv": stubTable(r)}
	files["_sensor/data/steps.csv"], files["_sensor/data/recordings.csv"] = stubRecordings(r)
	for k, class := range []string{"bars", "cross", "ring"} {
		for i := range 14 {
			files["_image/data/"+class+"/"+strconv.Itoa(i)+".png"] = stubPicture(t, r, k)
		}
	}
	for name, want := range files {
		path := filepath.Join("projects", filepath.FromSlash(name))
		if *updateProjects {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".png" { // an encoder may be another one, pixels may not
			got, want = pixels(t, got), pixels(t, want)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what is made here; -update-projects writes it", path)
		}
	}

	description := filepath.Join("projects", "_table", "data", "schema.json")
	schema, err := dataset.Infer(t.Context(), filepath.Join("projects", "_table", "data", "rows.csv"), dataset.Label.Of("failed"), dataset.Time.Of("day"), dataset.Unit("h", "hours"))
	if err != nil {
		t.Fatal(err)
	}
	if *updateProjects {
		if err := schema.WriteFile(description); err != nil {
			t.Fatal(err)
		}
	}
	written, err := dataset.ReadSchema(description)
	if err != nil {
		t.Fatal(err)
	}
	if written.String() != schema.String() {
		t.Errorf("%s says\n%swhat is inferred\n%s", description, written, schema)
	}
}

// lines is a CSV file.
func lines(records ...[]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.WriteAll(records) // of memory, which takes all
	return b.Bytes()
}

// stubTable has machines of which some failed, with holes.
func stubTable(r *rand.Rand) []byte {
	records := [][]string{{"day", "site", "model", "hours", "temperature", "vibration", "failed"}}
	day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 600 {
		hours, load, model := 400*r.ExpFloat64(), r.NormFloat64(), r.IntN(3)
		wear := hours/400 + 0.5*float64(model)
		temperature := strconv.FormatFloat(55+4*load+4*wear+r.NormFloat64(), 'f', 1, 64)
		vibration := strconv.FormatFloat(math.Exp(0.3*wear+0.2*load+0.1*r.NormFloat64()), 'f', 2, 64)
		if r.Float64() < 0.1 {
			temperature = ""
		}
		if r.Float64() < 0.3 {
			vibration = ""
		}
		failed := "no"
		if r.Float64() < 1/(1+math.Exp(4-2*wear)) {
			failed = "yes"
		}
		if r.Float64() < 0.3 {
			failed = ""
		}
		records = append(records, []string{day.AddDate(0, 0, i/3).Format(time.DateOnly), []string{"north", "east", "south", "?"}[r.IntN(4)],
			[]string{"A1", "B2", "C5"}[model], strconv.FormatFloat(hours, 'f', 0, 64), temperature, vibration, failed})
	}
	return lines(records...)
}

// stubRecordings has recordings of an accelerometer on the wrist of eight people, who walk, wave and rest.
func stubRecordings(r *rand.Rand) (steps, recordings []byte) {
	s, of := [][]string{{"recording", "ax", "ay", "az"}}, [][]string{{"person", "activity"}}
	n := 0
	for person := range 8 {
		pace := 0.25 + 0.1*r.Float64()
		for k, activity := range []string{"walk", "wave", "rest"} {
			phase := 2 * math.Pi * r.Float64()
			for i := range 96 {
				at := phase + pace*float64(i)*float64(1+k)
				a := []float64{0.1, 0, 1}
				switch k {
				case 0:
					a[0], a[2] = 0.4*math.Sin(at), 1+0.3*math.Sin(2*at)
				case 1:
					a[0], a[1] = 0.8*math.Sin(at), 0.8*math.Cos(at)
				}
				record := []string{strconv.Itoa(n)}
				for _, x := range a {
					record = append(record, strconv.FormatFloat(x+0.1*r.NormFloat64(), 'f', 2, 64))
				}
				s = append(s, record)
			}
			of = append(of, []string{strconv.Itoa(person), activity})
			n++
		}
	}
	return lines(s...), lines(of...)
}

// stubPicture has bars, a cross or a ring, somewhere in 16x16 pixels.
func stubPicture(t *testing.T, r *rand.Rand, class int) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 16, 16))
	cx, cy, radius := 6+4*r.Float64(), 6+4*r.Float64(), 3.5+2*r.Float64()
	for y := range 16 {
		for x := range 16 {
			dx, dy := float64(x)-cx, float64(y)-cy
			on := math.Abs(math.Hypot(dx, dy)-radius) < 1
			switch class {
			case 0:
				on = math.Mod(dx+32, 5) < 2
			case 1:
				on = math.Abs(dx) < 1 || math.Abs(dy) < 1
			}
			v := 30 + 10*r.NormFloat64()
			if on {
				v += 180
			}
			m.SetGray(x, y, color.Gray{Y: uint8(min(max(v, 0), 255))})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pixels(t *testing.T, file []byte) []byte {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	g := image.NewGray(m.Bounds())
	draw.Draw(g, g.Bounds(), m, m.Bounds().Min, draw.Src)
	return g.Pix
}
