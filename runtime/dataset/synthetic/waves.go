package synthetic

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// WaveOptions say how signals are made. What is left out has the default.
type WaveOptions struct {
	Channels  int     // 3; up to 64
	Length    int     // steps: 128; from 8 to 65,536
	Frequency Range   // cycles in the whole row: 2 to 12, at most half the steps
	Amplitude Range   // of each channel: 0.3 to 1
	Noise     Range   // standard deviation of what is added to each value, one draw a row: 0.02 to 0.2
	Alone     bool    // rows of noise alone too, as kind 4
	Last      bool    // x is f32[Length Channels] instead of f32[Channels Length]
	Drift     float64 // most that a channel rises or falls along the row, from 0 to 10
}

// Waves returns signals of several channels, as sensors give them. The channels of a row have frequencies in common and
// amplitudes and phases of their own. The columns are x; y i64[], the kind: 0 a sine, 1 a mixture of two sines, 2 a chirp, whose
// frequency moves evenly from the first to the second, 3 spikes, one in each cycle, and with Alone 4, noise alone; and factors: the
// two frequencies, the noise, then the amplitude of each channel, the phase of each in turns, and by how much each
// rises.
//
// Errors (of Err): rows or options that are out of range.
func Waves(rows int, seed uint64, o WaveOptions) *Rows {
	return newRows("waves", rows, seed, &waves{o})
}

// WaveNames are the kinds of [Waves] in the order of their numbers.
func WaveNames() []string { return []string{"sine", "mixture", "chirp", "spikes", "noise"} }

type waves struct{ WaveOptions }

func (w *waves) visit(f *form) {
	f.int("channels", &w.Channels)
	f.int("length", &w.Length)
	f.span("frequency", &w.Frequency)
	f.span("amplitude", &w.Amplitude)
	f.span("noise", &w.Noise)
	f.bool("alone", &w.Alone)
	f.bool("last", &w.Last)
	f.float("drift", &w.Drift)
}

func (w *waves) check() error {
	for _, err := range []error{
		counted("Channels", &w.Channels, 3, 1, 64),
		counted("Length", &w.Length, 128, 8, 1<<16),
	} {
		if err != nil {
			return err
		}
	}
	most := float64(w.Length) / 2
	for _, err := range []error{
		w.Frequency.within("Frequency", Range{min(2, most/4), min(12, most)}, 0.01, most),
		w.Amplitude.within("Amplitude", Range{0.3, 1}, 0, 1e3),
		w.Noise.within("Noise", Range{0.02, 0.2}, 0, 1e3),
		amount("Drift", w.Drift, 10),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *waves) columns() []dataset.Column {
	x := dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{w.Channels, w.Length}}
	if w.Last {
		x.Shape = []int{w.Length, w.Channels}
	}
	return []dataset.Column{x, {Name: "y", DType: dataset.I64}, factorColumn(w.names())}
}

func (w *waves) names() []string {
	names := []string{"frequency", "second frequency", "noise"}
	for _, what := range []string{"amplitude", "phase", "drift"} {
		for c := range w.Channels {
			names = append(names, what+" "+number(float64(c)))
		}
	}
	return names
}

func (w *waves) fill(_, key random.Key, c cells) {
	x, y, factors := c.f32[0], c.i64[0], c.f32[1]
	kinds := uint64(4)
	if w.Alone {
		kinds = 5
	}
	kind := key.Uint64N(0, kinds)
	y[0] = int64(kind)
	f, g, deviation := w.Frequency.draw(key.Float64(1)), w.Frequency.draw(key.Float64(2)), w.Noise.draw(key.Float64(3))
	switch kind {
	case 0, 3:
		g = f
	case 4:
		f, g = 0, 0
	}
	factors[0], factors[1], factors[2] = float32(f), float32(g), float32(deviation)
	noise, channels, n := key.DeriveString("noise"), key.DeriveString("channels"), float64(w.Length)
	for ch := range w.Channels {
		own := channels.Derive(uint64(ch))
		amplitude, phase, drift := w.Amplitude.draw(own.Float64(0)), own.Float64(1), between(-w.Drift, w.Drift, own.Float64(2))
		if kind == 4 {
			amplitude, phase = 0, 0
		}
		factors[3+ch], factors[3+w.Channels+ch], factors[3+2*w.Channels+ch] = float32(amplitude), float32(phase), float32(drift)
		for t := range w.Length {
			s := float64(t) / n // of the row
			var v float64
			switch kind {
			case 0:
				v, _ = sincos(math.FMA(f, s, phase))
			case 1:
				a, _ := sincos(math.FMA(f, s, phase))
				b, _ := sincos(math.FMA(g, s, product(2, phase)))
				v = (a + b) / 2
			case 2: // the phase is the integral of the frequency
				v, _ = sincos(math.FMA(math.FMA(product(g-f, s), 0.5, f), s, phase))
			case 3:
				q := math.FMA(f, s, phase)
				d := (q - math.Floor(q) - 0.5) / 0.12
				if d = math.FMA(-d, d, 1); d > 0 {
					v = product(d, d)
				}
			}
			v = math.FMA(amplitude, v, product(drift, s))
			v = math.FMA(deviation, normal(noise, uint64(ch*w.Length+t)), v)
			if w.Last {
				x[t*w.Channels+ch] = float32(v)
			} else {
				x[ch*w.Length+t] = float32(v)
			}
		}
	}
}
