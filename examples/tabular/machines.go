package main

import (
	"bytes"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// given is the user's file, or one of made-up machines at the path, which is written.
func given(file, path string) (string, error) {
	if file != "" {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", err
	}
	part := path + ".part"
	if err := os.WriteFile(part, machines(8000), 0o666); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
}

// machines is a CSV file of what sensors said of machines and whether these failed within a week, in the order of time. All is
// made up, by a seed. What decides is the wear, which is in no column: it grows with the hours since service, faster in one model
// and in old machines, and shows in vibration, temperature and pressure beside the load. A vibration is often missing, above all
// in the model A1, and other numbers now and then. Of the first 60 % of the rows one in ten has a label.
//
// The true probability of failure has an AUROC of 0.903 on the 2,000 test rows, the most that anything could reach. The program as
// it is has 0.890 with each of the seeds 0, 1 and 2 of its trainings, and without the first of them 0.882, 0.886 and 0.878.
func machines(rows int) []byte {
	r := rand.New(rand.NewPCG(17, 1))
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"day", "site", "model", "installed", "hours", "current", "temperature", "vibration", "pressure", "failed"})
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	number := func(x, missing float64, digits int) string {
		if r.Float64() < missing {
			return ""
		}
		return strconv.FormatFloat(x, 'f', digits, 64)
	}
	models, sites := []string{"A1", "B2", "B3", "C5"}, []string{"north", "east", "south"}
	for i := range rows {
		model, site := r.IntN(4), r.IntN(3)
		age := r.Float64() * 12
		hours := r.ExpFloat64() * 400
		load := r.NormFloat64()
		wear := hours/500 + age/10 + 0.4*r.NormFloat64()
		if model == 2 {
			wear += hours / 600
		}
		current := 20 + 3*load + 0.5*r.NormFloat64()
		temperature := 55 + 4*load + 3*wear + 2*float64(site) + r.NormFloat64()
		vibration := math.Exp(0.3*wear + 0.15*load + 0.15*r.NormFloat64())
		pressure := 6 - 0.3*wear + 0.2*load + 0.15*r.NormFloat64()
		lacks := 0.1
		if model == 0 {
			lacks = 0.5
		}
		failed := "no"
		if r.Float64() < 1/(1+math.Exp(6.2-1.9*wear-0.3*load)) {
			failed = "yes"
		}
		if known := r.Float64() < 0.1; i < 6*rows/10 && !known {
			failed = ""
		}
		name, at := models[model], sites[site]
		if r.Float64() < 0.03 {
			at = "?"
		}
		day := begin.Add(time.Duration(i) * time.Hour)
		w.Write([]string{day.Format(time.DateOnly), at, name, day.AddDate(0, 0, -int(365*age)).Format(time.DateOnly),
			number(hours, 0.02, 0), number(current, 0.05, 2), number(temperature, 0.05, 1), number(vibration, lacks, 3), number(pressure, 0.05, 2), failed})
	}
	w.Flush()
	return b.Bytes()
}
