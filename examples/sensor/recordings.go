package main

import (
	"math"
	"math/rand/v2"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// madeUp returns recordings that nobody made, by a seed: each person does each exercise once, for about that many steps. An exercise
// is a movement that repeats, in a direction and with overtones of its own. Each person has a pace, a strength and a way of
// wearing the sensor, which turns the directions; all waver.
func madeUp(people, exercises, length int) (steps, recordings *dataset.Table, err error) {
	const channels = 6
	r := rand.New(rand.NewPCG(11, 1))
	normals := func(n int, deviation float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = deviation * r.NormFloat64()
		}
		return x
	}
	type movement struct {
		pace                float64 // radians a step
		direction, overtone []float64
	}
	moves := make([]movement, exercises)
	for k := range moves {
		moves[k] = movement{0.05 + 0.02*float64(k), normals(channels, 1), normals(channels, 0.7)}
	}
	var x []float32
	var of, exercise, subject []int64
	for person := range people {
		pace, strength, turn := math.Exp(0.2*r.NormFloat64()), math.Exp(0.2*r.NormFloat64()), normals(channels*channels, 0.2)
		for k, m := range moves {
			n := int64(len(exercise))
			exercise, subject = append(exercise, int64(k)), append(subject, int64(person))
			at := 2 * math.Pi * r.Float64()
			for range length + r.IntN(length/4) {
				at += pace * m.pace * (1 + 0.2*r.NormFloat64())
				a, b := math.Sin(at), math.Sin(2*at+1)
				var plain [channels]float64
				for c := range plain {
					plain[c] = strength * (m.direction[c]*a + m.overtone[c]*b)
				}
				for c := range channels {
					v := plain[c] + 0.15*r.NormFloat64()
					for d, w := range plain {
						v += turn[c*channels+d] * w
					}
					x = append(x, float32(v))
				}
				of = append(of, n)
			}
		}
	}
	one := func(name string, x []int64) dataset.Data {
		return dataset.Data{Column: dataset.Column{Name: name, DType: dataset.I64}, I64: x}
	}
	steps, err = dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{channels}}, F32: x}, one("recording", of))
	if err != nil {
		return nil, nil, err
	}
	recordings, err = dataset.NewTable(one("exercise", exercise), one("subject", subject))
	return steps, recordings, err
}
