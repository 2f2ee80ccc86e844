package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSections: a CPU's tables stand before those of others, in place of what they
// were.
func TestSections(t *testing.T) {
	page := []byte("a\n" + begin + "\n" + end + "\nb\n")
	for _, s := range [][2]string{{"X, avx2 kernels", "| old |"}, {"Y, avx512 kernels", "y\n\n| 1 |"}, {"X, avx2 kernels", "| new |"}, {"Y, avx2 kernels", "z"}} {
		var err error
		if page, err = insert(page, s[0], "\n"+s[1]+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	want := "a\n" + begin + "\n\n### Y, avx2 kernels\n\nz\n\n### X, avx2 kernels\n\n| new |\n\n### Y, avx512 kernels\n\ny\n\n| 1 |\n\n" + end + "\nb\n"
	if string(page) != want {
		t.Errorf("the page is\n%s\nwant\n%s", page, want)
	}
	for _, page := range []string{"", begin, end + begin} {
		if _, err := insert([]byte(page), "X", "new"); err == nil {
			t.Errorf("%q has no marks, and no error", page)
		}
	}
}

// root is the top of the checkout.
var root = filepath.Join("..", "..", "..", "..")

// TestPages: the page of laminabench has a place for a comparison, and the short
// table of README.md is that of what is kept of the CPUs.
func TestPages(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "cmd", "laminabench", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := summaries(filepath.Join(root, "testdata", "speed"))
	if err != nil || len(all) == 0 {
		t.Fatalf("kept are %v, %v", all, err)
	}
	for _, s := range all {
		m := machine{CPU: s.CPU, Kernels: s.Kernels}
		if !strings.Contains(string(page), section+m.title()+"\n") {
			t.Errorf("the page of laminabench has no section of %s", m.title())
		}
		again, err := insert(page, m.title(), "x")
		if err != nil || strings.Count(string(again), section) != strings.Count(string(page), section) {
			t.Errorf("%s: its section would stand twice (%v)", m.title(), err)
		}
	}
	front, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want, err := frontPage(front, all); err != nil || string(want) != string(front) {
		t.Errorf("README.md has another short table than testdata/speed gives (%v): make bench-readme RENDER=1", err)
	}
}

// TestPublish: a comparison goes into both pages, beside what is kept of another CPU.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	to := places{dir, filepath.Join(dir, "long.md"), filepath.Join(dir, "front.md"), filepath.Join(dir, "speed")}
	for path, text := range map[string]string{to.readme: begin + "\n" + end + "\n", to.front: "a " + begin + "\n\n| old |\n|---|\n\nb\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range []machine{{CPU: "A 1", Kernels: "avx2", Cores: 2}, {CPU: "B", Kernels: "avx512", Cores: 2}} {
		at := func(name, beside string, rate float64) record {
			return record{Part: partTrain, Round: 1, Name: name, Beside: beside, measured: measured{Work: "tied-ae", Threads: 2, Precision: fp32, SamplesPerS: rate, OfPeak: rate / 300e3}}
		}
		list := []record{{Part: partMachine, Session: fmt.Sprintf("2026-01-0%dT03:04:05Z", i+1), Machine: &m}, at(ours, "JAX", 2e5), at("JAX", "", 1e5+float64(i)*2e4)}
		if err := publish(list, to, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	front, err := os.ReadFile(to.front)
	want := "a " + begin + "\n\n| B, avx512 | Lamina | best peer | factor | factor on A 1, avx2 |\n|---|---:|---:|---:|---:|\n" +
		"| tied autoencoder 784-100-30, batch 256, samples/s | 200 k | 120 k JAX | 1.67 | 2.00 |\n\nb\n"
	if err != nil || string(front) != want {
		t.Errorf("%v: the short table is\n%s\nwant\n%s", err, front, want)
	}
	long, err := os.ReadFile(to.readme)
	if err != nil || strings.Count(string(long), "| JAX |") != 2 || strings.Index(string(long), "### B") > strings.Index(string(long), "### A 1") {
		t.Errorf("%v: the long page is\n%s", err, long)
	}
	if found, _ := filepath.Glob(filepath.Join(to.kept, "*.json")); len(found) != 2 || filepath.Base(found[0]) != "a-1-avx2.json" {
		t.Errorf("kept are %v", found)
	}
}
