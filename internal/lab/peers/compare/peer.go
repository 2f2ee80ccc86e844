package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// peer is a framework that trains the works.
type peer struct {
	name string // in tables
	dir  string // its folder below the peers' folder
	// program is what is run: a script of internal/lab/peers/python by the folder's
	// Python, or "" for the executable that dir names.
	program string
	mode    string
	works   []string // nil for all of them
	low     bool     // whether it multiplies in bf16 too
}

var (
	autoencoders = []string{"tied-ae", "deep-ae", "tiny-ae"}
	images       = []string{"conv-ae", "resnet20"}
	layered      = slices.Concat(autoencoders, images) // works of layers, trained by gradients
)

// works is what there is to train.
var works = slices.Concat(autoencoders, []string{"rbm"}, images)

// lowWorks is what is also trained in bf16: Lamina keeps products as narrow as
// those of tiny-ae in float32.
var lowWorks = []string{"tied-ae", "deep-ae", "rbm"}

// trainers lists every peer. Adding one means adding a row here and what make
// bench-peers installs.
var trainers = []peer{
	{name: "PyTorch", dir: "torch", program: "torch_train.py", mode: "default", low: true},
	{name: "PyTorch compiled", dir: "torch", program: "torch_train.py", mode: "compile", low: true},
	{name: "JAX", dir: "jax", program: "jax_train.py", mode: "default", low: true},
	{name: "Keras", dir: "keras", program: "keras_train.py", mode: "default", works: layered},
	{name: "Keras XLA", dir: "keras", program: "keras_train.py", mode: "xla", works: layered},
	{name: "GoMLX", dir: "gomlx", mode: "default", works: autoencoders},
}

// does reports whether the peer has a program for a work in a precision.
func (p *peer) does(place measured) bool {
	return (p.works == nil || slices.Contains(p.works, place.Work)) && (place.Precision == fp32 || p.low)
}

// command returns the program and its first arguments, or why it cannot be run.
func (p *peer) command(s *setup) (argv []string, missing string) {
	path := filepath.Join(s.peers, p.dir)
	if p.program != "" {
		path = filepath.Join(path, "bin", "python")
	} else {
		path = filepath.Join(path, p.dir)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, s.why(p.dir)
	}
	if p.program == "" {
		return []string{path}, ""
	}
	return []string{path, filepath.Join(s.python, p.program)}, ""
}

// why says why a peer is not there: what make bench-peers wrote down, or that
// it did not run.
func (s *setup) why(dir string) string {
	b, err := os.ReadFile(filepath.Join(s.peers, dir+".missing"))
	if err != nil {
		return "not installed: make bench-peers"
	}
	if reason := strings.TrimSpace(string(b)); reason != "" {
		return "not installed: " + reason
	}
	return "not installed"
}

// library is a BLAS whose products are timed.
type library struct {
	name string
	kind string   // as internal/lab/peers/gemm calls it
	glob []string // where its file may lie, below the peers' folder or the root
}

var libraries = []library{
	{"OpenBLAS", "openblas", []string{"blas/lib/python*/site-packages/scipy_openblas32/lib/libscipy_openblas*.so"}},
	{"oneDNN", "onednn", []string{"blas/lib/libdnnl.so.3", "blas/lib/python*/site-packages/lib/libdnnl.so.3"}},
	{"oneDNN of the system", "onednn", []string{"/usr/lib/*/libdnnl.so.[0-9]"}},
}

// find returns the library's file, or "".
func (l *library) find(s *setup) string {
	for _, g := range l.glob {
		if !filepath.IsAbs(g) {
			g = filepath.Join(s.peers, g)
		}
		if found, _ := filepath.Glob(g); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return ""
}

// command returns the program that times the library's products.
func (l *library) command(s *setup, file string, threads int, seconds float64, prefix string) []string {
	return []string{filepath.Join(s.peers, "gemm", "gemm"), l.kind, file, fmt.Sprint(threads), fmt.Sprint(seconds), prefix}
}
