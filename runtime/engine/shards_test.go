package engine_test

import (
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
)

// TestJoinShards holds joined gradients to the sums of a balanced binary tree, for all
// shards of a plan and for those of one rank, whatever the workers, and makes none.
func TestJoinShards(t *testing.T) {
	p := autoencoder(t, 50, 200, 7, compiler.Options{Rows: 8, StoreGrads: true, Shards: 8}).Train
	for _, workers := range []int{1, 3} {
		e, s := start(t, p, workers, nil)
		for _, n := range []int{1, 2, 4, 8} {
			var parts [8]map[string][]float32
			for i := range n {
				parts[i] = map[string][]float32{}
				for _, name := range s.Names() {
					parts[i][name] = fill(name+string(rune('a'+i)), make([]float32, len(s.Grad(name))), 1)
					copy(s.Grad(name), parts[i][name])
				}
				if err := e.JoinShard(i, n); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range s.Names() {
				want := tree(parts[:n], name)
				if !slices.Equal(s.Grad(name), want) {
					t.Errorf("%d workers: %s is not the tree of %d shards", workers, name, n)
				}
			}
		}
		if n := testing.AllocsPerRun(5, func() {
			for i := range 8 {
				if err := e.JoinShard(i, 8); err != nil {
					panic(err)
				}
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		for _, c := range [][2]int{{0, 16}, {0, 3}, {2, 2}, {-1, 2}} {
			if e.JoinShard(c[0], c[1]) == nil {
				t.Errorf("no error with shard %d of %d", c[0], c[1])
			}
		}
		e.Close()
	}
}

// tree adds halves.
func tree(parts []map[string][]float32, name string) []float32 {
	if len(parts) == 1 {
		return parts[0][name]
	}
	a, b := tree(parts[:len(parts)/2], name), tree(parts[len(parts)/2:], name)
	sum := make([]float32, len(a))
	for i := range sum {
		sum[i] = a[i] + b[i]
	}
	return sum
}
