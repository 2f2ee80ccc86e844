// Command gomlx trains an autoencoder with GoMLX's backend in Go and reports its
// speed, as the programs in ../python do.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/loss"
	"github.com/gomlx/gomlx/ml/train/optimizer"
)

// rows lie in memory.
const rows = 8192

// work is an autoencoder: its layers' widths, the layers without ReLU, and
// whether the decoder uses the encoder's matrices transposed.
type work struct {
	widths []int
	linear []int
	tied   bool
	batch  int
}

var works = map[string]work{
	"tied-ae": {[]int{784, 100, 30, 100, 784}, []int{3}, true, 256},
	"deep-ae": {[]int{784, 1000, 500, 250, 30, 250, 500, 1000, 784}, []int{3, 7}, false, 256},
	"tiny-ae": {[]int{32, 16, 4, 16, 32}, []int{3}, false, 32},
}

// flops counts a step's products for one row, none for the input's gradient.
func (w work) flops() float64 {
	sum := -w.widths[0] * w.widths[1]
	for i := range len(w.widths) - 1 {
		sum += 3 * w.widths[i] * w.widths[i+1]
	}
	return 2 * float64(sum)
}

func (w work) model(scope *model.Scope, x *graph.Node) *graph.Node {
	layers := len(w.widths) - 1
	matrices := layers
	if w.tied {
		matrices /= 2
	}
	var weights []*graph.Node
	for i := range matrices {
		weights = append(weights, scope.VariableWithShape(fmt.Sprint("w", i),
			shapes.Make(dtypes.Float32, w.widths[i], w.widths[i+1])).NodeValue(x))
	}
	zero := scope.WithInitializer(initializer.Zero)
	for i := range layers {
		m := w.widths[i+1]
		bias := zero.VariableWithShape(fmt.Sprint("b", i), shapes.Make(dtypes.Float32, 1, m)).NodeValue(x)
		var matrix *graph.Node
		if i < matrices {
			matrix = weights[i]
		} else {
			matrix = graph.Transpose(weights[layers-1-i], 0, 1)
		}
		x = graph.Add(graph.MatMul(x, matrix), bias)
		if !slices.Contains(w.linear, i) {
			x = activation.Relu(x)
		}
	}
	return x
}

// feed gathers shuffled batches.
type feed struct {
	data, batch []float32
	width, size int
	order       []int
	at          int
	random      *rand.Rand
}

func newFeed(width, size int) *feed {
	f := &feed{data: make([]float32, rows*width), batch: make([]float32, size*width), width: width, size: size,
		at: rows, random: rand.New(rand.NewPCG(7, 7))}
	for i := range f.data {
		f.data[i] = f.random.Float32()
	}
	return f
}

func (f *feed) next() *tensors.Tensor {
	if f.at+f.size > rows {
		f.order, f.at = f.random.Perm(rows), 0
	}
	for i, row := range f.order[f.at : f.at+f.size] {
		copy(f.batch[i*f.width:(i+1)*f.width], f.data[row*f.width:])
	}
	f.at += f.size
	return tensors.FromFlatDataAndDimensions(f.batch, f.size, f.width)
}

// report is the line that is printed.
type report struct {
	Peer        string     `json:"peer"`
	Mode        string     `json:"mode"`
	Version     string     `json:"version"`
	Work        string     `json:"work"`
	Threads     int        `json:"threads"`
	Batch       int        `json:"batch"`
	SamplesPerS float64    `json:"samples_per_s"`
	Best        float64    `json:"best"`
	USPerStep   float64    `json:"us_per_step"`
	GFLOPS      float64    `json:"gflops"`
	FirstStepS  float64    `json:"first_step_s"`
	PeakRSSMB   float64    `json:"peak_rss_mb"`
	Loss        [2]float64 `json:"loss"`
}

func main() {
	log.SetFlags(0)
	created := time.Now()
	name := flag.String("work", "tied-ae", "what to train")
	threads := flag.Int("threads", runtime.NumCPU(), "threads that work")
	size := flag.Int("batch", 0, "rows of a step; 0 is the work's own")
	seconds := flag.Float64("seconds", 2, "how long to measure")
	flag.String("mode", "default", "there is one")
	wait := flag.Bool("wait", false, "measure once for every line of standard input")
	flag.Parse()
	w, ok := works[*name]
	if !ok {
		log.Fatalf("gomlx: no program for %s", *name)
	}
	if *size == 0 {
		*size = w.batch
	}
	if *size < 1 || *size > rows {
		log.Fatalf("gomlx: --batch %d: there are %d rows", *size, rows)
	}
	if s, err := strconv.ParseFloat(os.Getenv("PEER_STARTED"), 64); err == nil {
		created = time.UnixMicro(int64(s * 1e6))
	}
	runtime.GOMAXPROCS(*threads)

	backend := must(gobackend.New(""))
	trainer := train.NewTrainer(backend, model.NewStore(), w.model, loss.MeanSquaredError,
		optimizer.Adam().LearningRate(1e-3).Done(), nil, nil)
	f := newFeed(w.widths[0], *size)
	step := func() float64 {
		x := f.next()
		metrics := must(trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{x}, Labels: []*tensors.Tensor{x}}))
		return float64(tensors.ToScalar[float32](metrics[0]))
	}
	r := report{Peer: "gomlx", Mode: "default", Version: version(), Work: *name, Threads: *threads, Batch: *size}
	r.Loss[0] = step()
	r.FirstStepS = time.Since(created).Seconds()
	for range 10 {
		step()
	}
	fmt.Fprintln(os.Stderr, "ready")

	lines := bufio.NewScanner(os.Stdin)
	for {
		if *wait && !lines.Scan() {
			return
		}
		rates := measure(step, *size, *seconds, &r.Loss[1])
		slices.Sort(rates)
		r.SamplesPerS = math.Round((rates[(len(rates)-1)/2] + rates[len(rates)/2]) / 2)
		r.Best = math.Round(rates[len(rates)-1])
		r.USPerStep = 1e6 * float64(*size) / r.SamplesPerS
		r.GFLOPS = r.SamplesPerS * w.flops() / 1e9
		var use syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err == nil {
			r.PeakRSSMB = float64(use.Maxrss / 1024)
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			log.Fatal(err)
		}
		if !*wait {
			return
		}
	}
}

// measure returns the rates, in rows a second, of stretches of about 0.1 s.
func measure(step func() float64, size int, seconds float64, last *float64) []float64 {
	began := time.Now()
	step()
	stretch := max(1, int(0.1/max(time.Since(began).Seconds(), 1e-6)))
	var rates []float64
	for end := time.Now().Add(time.Duration(seconds * 1e9)); len(rates) == 0 || time.Now().Before(end); {
		began := time.Now()
		for range stretch {
			*last = step()
		}
		rates = append(rates, float64(stretch*size)/time.Since(began).Seconds())
	}
	return rates
}

// version is the version of GoMLX that was built in.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/gomlx/gomlx" {
				return d.Version + " (" + runtime.Version() + ")"
			}
		}
	}
	return "unknown"
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
