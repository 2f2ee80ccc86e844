package ir

// MaxShards is the most shards that the sums over an update's rows are made in.
const MaxShards = 1 << 10

// Sharder is an op whose sums over rows, or those of its gradient, are so long that
// they want to be made in shards: a power of two, which follows from the known
// lengths of its operands alone.
type Sharder interface{ Shards(in []Type) int }

// Shards returns the most shards that an op of the graph wants, at least 1 and at
// most MaxShards.
func Shards(g *Graph) int {
	most := 1
	for _, n := range g.Nodes {
		s, ok := n.Op.(Sharder)
		if !ok {
			continue
		}
		in := make([]Type, len(n.In))
		for i, v := range n.In {
			in[i] = v.Type
		}
		most = max(most, s.Shards(in))
	}
	return min(most, MaxShards)
}

// PowerOfTwo reports whether n is 1, 2, 4 and so on.
func PowerOfTwo(n int) bool { return n > 0 && n&(n-1) == 0 }
