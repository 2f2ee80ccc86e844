package yardstick

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// splits are rows to train on, to choose hyper-parameters by, and to report.
type splits struct{ train, valid, test *dataset.Table }

// Hashes of the training and the test rows of MNIST, as dataset.Hash gives them.
const (
	mnistTrain = "6eb87a5ead38c62d473c5cd1b2f3d092d2724198d88cc0115b324ff398311636"
	mnistTest  = "55e20ccc88de47a4a20a548503254b2c3b603d029a4690448fd1e1b8906b60a3"
)

// Describe says what the digits are, for Options.Data: those of MNIST only if they
// are, by their hash, else by the name that is given and the hash.
//
// Errors: those of the rows.
func Describe(digits *dataset.Split, name string) (string, error) {
	return describe(digits, name, set{title: "MNIST", train: mnistTrain, test: mnistTest})
}

func describe(split *dataset.Split, name string, s set) (string, error) {
	train, err := split.Train.Hash()
	if err != nil {
		return "", fmt.Errorf("yardstick: %w", err)
	}
	if split.Test == nil {
		if name += " " + train[:8]; train == s.train {
			name = s.title
		}
		return fmt.Sprintf("%s, %d rows", name, split.Train.Len()), nil
	}
	test, err := split.Test.Hash()
	if err != nil {
		return "", fmt.Errorf("yardstick: %w", err)
	}
	if train == s.train && test == s.test {
		name = s.title
	} else {
		name += " " + train[:8] + test[:8]
	}
	return fmt.Sprintf("%s, %d rows to train and %d to test", name, split.Train.Len(), split.Test.Len()), nil
}

// side is the width and the height of a digit.
const side = 28

// pool joins the training and the test rows, pixels and labels.
func pool(digits *dataset.Split) (x []float32, y []int64) {
	x = append(append([]float32{}, digits.Train.F32("x")...), digits.Test.F32("x")...)
	y = append(append([]int64{}, digits.Train.I64("y")...), digits.Test.I64("y")...)
	return x, y
}

// variation makes one of the data sets of Larochelle et al. 2007 anew: all digits
// are shuffled, changed, and cut into parts of the given sizes; the rest is left
// out. Seeds of trainings do not change it.
//
//   - basic: as they are.
//   - rot: turned about the centre by an angle uniform in [0, 2π).
//   - bg-rand: on a background of pixels uniform in [0, 1).
//
// How a turned picture is interpolated, and a digit laid on its background, the paper
// does not say: here bilinear, and the greater of both pixels.
func variation(digits *dataset.Split, name string, train, valid, test int) (splits, error) {
	x, y := pool(digits)
	if need := train + valid + test; need > len(y) {
		return splits{}, fmt.Errorf("yardstick: %s has %d rows, the digits are %d: give the full MNIST as the data", name, need, len(y))
	}
	if !slices.Contains([]string{"basic", "rot", "bg-rand"}, name) {
		return splits{}, fmt.Errorf("yardstick: no variation of the digits is named %q", name)
	}
	key := random.New(2007).DeriveString(name)
	perm := random.New(2007).DeriveString("rows").Perm(len(y))
	part := func(from, n int) (*dataset.Table, error) {
		px, py := make([]float32, n*side*side), make([]int64, n)
		for i := range n {
			row := perm[from+i]
			src, dst := x[row*side*side:][:side*side], px[i*side*side:][:side*side]
			py[i] = y[row]
			switch k := key.Derive(uint64(row)); name {
			case "rot":
				rotate(dst, src, 2*math.Pi*k.Float64(0))
			case "bg-rand":
				for j := range dst {
					dst[j] = max(src[j], k.Float32(uint64(j)))
				}
			default:
				copy(dst, src)
			}
		}
		return table(px, py)
	}
	var s splits
	var err error
	if s.train, err = part(0, train); err != nil {
		return s, err
	}
	if s.valid, err = part(train, valid); err != nil {
		return s, err
	}
	s.test, err = part(train+valid, test)
	return s, err
}

// rotate turns a picture about its centre; what comes from outside is black.
func rotate(dst, src []float32, angle float64) {
	sin, cos := math.Sincos(angle)
	const c = (side - 1) / 2.0
	at := func(r, q int) float64 {
		if r < 0 || r >= side || q < 0 || q >= side {
			return 0
		}
		return float64(src[r*side+q])
	}
	for r := range side {
		for q := range side {
			u, v := float64(r)-c, float64(q)-c
			y, x := cos*u-sin*v+c, sin*u+cos*v+c
			y0, x0 := math.Floor(y), math.Floor(x)
			fy, fx, i, j := y-y0, x-x0, int(y0), int(x0)
			dst[r*side+q] = float32((1-fy)*((1-fx)*at(i, j)+fx*at(i, j+1)) + fy*((1-fx)*at(i+1, j)+fx*at(i+1, j+1)))
		}
	}
}

func table(x []float32, y []int64) (*dataset.Table, error) {
	return dataset.NewTable(
		dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{side * side}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y})
}
