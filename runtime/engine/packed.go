package engine

import (
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// packedColumns is the most a panel is wide: what the kernels of one row keep in
// registers, so that they read a panel once and from end to end. An operand that
// is no wider is read where it is.
const packedColumns = 104

// panel is some columns of a right operand, each row behind the other.
type panel struct {
	first, width, ld int
	w                []float32 // [k ld], of which width columns are there
}

// packs holds the right operands of the products of a store whose parameters
// never change again, made when the first engine asks for them.
type packs struct {
	mu sync.Mutex
	of map[packKey][]panel
}

type packKey struct {
	param  string
	turned bool
}

// freeze says that the parameters will not change again.
func (s *Store) freeze() { s.packs = &packs{of: map[packKey][]panel{}} }

// get returns the panels of a parameter of this shape, or of its transpose.
func (p *packs) get(s *Store, seg *plan.Segment, turned bool) []panel {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := packKey{seg.Name, turned}
	made, ok := p.of[key]
	if !ok {
		made = pack(s.part(s.params, seg.Name), seg.Shape[0], seg.Shape[1], turned)
		p.of[key] = made
	}
	return made
}

// pack cuts w [k n], or w [n k] if it is to be turned, into panels of nearly equal
// width.
func pack(w []float32, rows, cols int, turned bool) []panel {
	const vector = 8
	whole := func(n int) int { return (n + vector - 1) / vector * vector }
	k, n := rows, cols
	if turned {
		k, n = cols, rows
	}
	count := (n + packedColumns - 1) / packedColumns
	widest := whole((n + count - 1) / count)
	var out []panel
	for j := 0; j < n; j += widest {
		p := panel{first: j, width: min(widest, n-j)}
		p.ld = whole(p.width)
		p.w = aligned(k * p.ld)
		if turned {
			simd.Transpose(p.width, k, w[j*k:], k, p.w, p.ld)
		} else {
			for i := range k {
				copy(p.w[i*p.ld:][:p.width], w[i*n+j:])
			}
		}
		out = append(out, p)
	}
	return out
}

// packedGemm is the product with a parameter that never changes again, or with
// its transpose: its panels are read in place of it. The chains are those of gemm.
func packedGemm(b *binding) (kernel, string) {
	if b.e.s.packs == nil || !b.all(ir.F32) || b.outT[0].Rank() != 2 {
		return nil, ""
	}
	if n, known := b.outT[0].Shape[1].Known(); !known || n <= packedColumns {
		return nil, ""
	}
	turned, relu, name := false, false, "gemm_packed"
	switch op := b.s.Op.(type) {
	case ops.Gemm:
		if op.TransA {
			return nil, ""
		}
		turned = op.TransB
	case ops.GemmRelu:
		if op.TransA {
			return nil, ""
		}
		turned, relu = op.TransB, true
	case ops.MatMul:
		if b.inT[0].Rank() != 2 {
			return nil, ""
		}
	default:
		return nil, ""
	}
	w := b.s.In[1]
	if from := b.p.Buffers[w]; from.Kind != plan.Param {
		if w = transposed(b.p, w); w < 0 {
			return nil, ""
		}
		turned = !turned
	}
	from := &b.p.Buffers[w]
	if from.Alias >= 0 || from.Type.Rank() != 2 || from.Type.Shape.Count() == 0 {
		return nil, ""
	}
	var bias *view
	if len(b.in) == 3 {
		if bias = b.in[2]; b.inT[2].Rank() != 1 {
			return nil, ""
		}
		name += "_bias"
	}
	if relu {
		name += "_relu"
	}
	seg := b.e.s.index[b.e.segment(from.Offset, b.p.Segments)]
	panels := b.e.s.packs.get(b.e.s, &b.e.s.segs[seg], turned)
	x, y := b.in[0], b.out[0]
	k, n := b.inT[0].Shape[1].Length(), b.outT[0].Shape[1].Length()
	return func(c *ctx, lo, hi int) {
		a, dst, ep := x.f32[lo*k:hi*k], y.f32[lo*n:hi*n], simd.Epilogue{Relu: relu}
		for i := range panels {
			p := &panels[i]
			if bias != nil {
				ep.Bias = bias.f32[p.first:n]
			}
			simd.Gemm(hi-lo, p.width, k, a, k, 1, p.w, p.ld, dst[min(p.first, len(dst)):], n, false, ep)
		}
	}, name
}

// transposed returns the parameter whose transpose buffer i is, or -1.
func transposed(p *plan.Plan, i int) int {
	for j := range p.Steps {
		s := &p.Steps[j]
		if s.Op != nil && len(s.Out) == 1 && s.Out[0] == i && len(s.In) == 1 && p.Buffers[s.In[0]].Kind == plan.Param {
			if ir.Turns(s.Op) {
				return s.In[0]
			}
		}
	}
	return -1
}
