//go:build amd64 && !noasm

package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

// Tiles of the emulator. Go's assembler does not know AMX, so that the kernels have its instructions as bytes, which are
// decoded here by the fields of VEX, ModRM and SIB (Intel SDM vol. 2, 2.1.5 and 2.3.5), whatever the comment beside says.

// tileState is the state of AMX: nothing may be done with a tile that has no configuration.
type tileState struct {
	configured bool
	rows, cols [8]int // cols in bytes
	data       [8][16][64]byte
}

// tileInstruction is a decoded instruction.
type tileInstruction struct {
	name        string
	t           int // the tile that is written or stored, unless -1
	a, b        int // factors of a product
	memory      bool
	base, index int // numbers of general registers; index -1 is none
	scale       int
	disp        int
}

var gprNames = [16]string{"AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}

func parseBytes(t *testing.T, line string) []byte {
	t.Helper()
	var b []byte
	for _, s := range strings.Split(line, ";") {
		v, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(s), "BYTE $"), 0, 8)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		b = append(b, byte(v))
	}
	return b
}

// decodeTile decodes one instruction of AMX that fills b.
func decodeTile(b []byte) (in tileInstruction, err error) {
	defer func() {
		if r := recover(); r != nil { // an index past the end
			err = fmt.Errorf("% x: %v", b, r)
		}
	}()
	bad := func(what string) (tileInstruction, error) { return in, fmt.Errorf("% x: %s", b, what) }
	if b[0] != 0xc4 {
		return bad("no three-byte VEX prefix")
	}
	bit := func(x byte, n int) int { return int(x >> n & 1) }
	r, x, base3 := 1-bit(b[1], 7), 1-bit(b[1], 6), 1-bit(b[1], 5) // stored inverted
	if b[1]&0x1f != 2 || bit(b[2], 7) != 0 || bit(b[2], 2) != 0 {
		return bad("not map 0F38, W0, L0")
	}
	vvvv, prefix := int(^b[2]>>3&15), b[2]&3
	opcode, modrm := b[3], b[4]
	mod, reg, rm := modrm>>6, int(modrm>>3&7), int(modrm&7)
	rest := b[5:]
	in = tileInstruction{t: -1, index: -1}
	if mod != 3 {
		in.memory, in.scale = true, 1
		in.base = base3<<3 | rm
		sib := rm == 4
		if sib {
			s := rest[0]
			rest = rest[1:]
			in.base, in.scale = base3<<3|int(s&7), 1<<(s>>6)
			if i := x<<3 | int(s>>3&7); i != 4 {
				in.index = i
			}
		}
		switch {
		case mod == 0 && in.base&7 == 5:
			return bad("an address without a base")
		case mod == 1:
			in.disp, rest = int(int8(rest[0])), rest[1:]
		case mod == 2:
			in.disp, rest = int(int32(binary.LittleEndian.Uint32(rest))), rest[4:]
		}
		if opcode == 0x4b && !sib {
			return bad("rows of a tile need a SIB byte")
		}
	}
	if len(rest) != 0 {
		return bad("more bytes than one instruction has")
	}
	if r != 0 {
		return bad("there are eight tiles")
	}
	const none, f3, f2 = 0, 2, 3
	switch {
	case opcode == 0x5c && prefix == f3 && mod == 3:
		if base3 != 0 || vvvv > 7 {
			return bad("there are eight tiles")
		}
		in.name, in.t, in.a, in.b = "TDPBF16PS", reg, rm, vvvv
		return in, nil
	case vvvv != 0:
		return bad("vvvv is used")
	case opcode == 0x49 && prefix == none && mod != 3 && reg == 0:
		in.name = "LDTILECFG"
	case opcode == 0x49 && prefix == none && modrm == 0xc0:
		in.name = "TILERELEASE"
	case opcode == 0x49 && prefix == f2 && mod == 3 && rm == 0:
		in.name, in.t = "TILEZERO", reg
	case opcode == 0x4b && prefix == f2 && mod != 3:
		in.name, in.t = "TILELOADD", reg
	case opcode == 0x4b && prefix == f3 && mod != 3:
		in.name, in.t = "TILESTORED", reg
	default:
		return bad("an unknown instruction")
	}
	return in, nil
}

// String is the instruction as Go would write it, operands in the reverse of Intel's order.
func (in tileInstruction) String() string {
	var address string
	if in.memory {
		if in.disp != 0 {
			address = strconv.Itoa(in.disp)
		}
		address += "(" + gprNames[in.base] + ")"
		if in.index >= 0 {
			address += fmt.Sprintf("(%s*%d)", gprNames[in.index], in.scale)
		}
	}
	switch in.name {
	case "LDTILECFG":
		return in.name + " " + address
	case "TILEZERO":
		return fmt.Sprintf("%s T%d", in.name, in.t)
	case "TILELOADD":
		return fmt.Sprintf("%s %s, T%d", in.name, address, in.t)
	case "TILESTORED":
		return fmt.Sprintf("%s T%d, %s", in.name, in.t, address)
	case "TDPBF16PS":
		return fmt.Sprintf("%s T%d, T%d, T%d", in.name, in.b, in.a, in.t)
	}
	return in.name
}

// gnu is the instruction as the GNU assembler reads it.
func (in tileInstruction) gnu() string {
	reg := func(n int) string {
		if n < 8 {
			return "%r" + strings.ToLower(gprNames[n])
		}
		return "%" + strings.ToLower(gprNames[n])
	}
	var address string
	if in.memory {
		address = fmt.Sprintf("%d(%s)", in.disp, reg(in.base))
		if in.index >= 0 {
			address = fmt.Sprintf("%d(%s,%s,%d)", in.disp, reg(in.base), reg(in.index), in.scale)
		}
	}
	name := strings.ToLower(in.name)
	switch in.name {
	case "LDTILECFG":
		return name + " " + address
	case "TILEZERO":
		return fmt.Sprintf("%s %%tmm%d", name, in.t)
	case "TILELOADD":
		return fmt.Sprintf("%s %s, %%tmm%d", name, address, in.t)
	case "TILESTORED":
		return fmt.Sprintf("%s %%tmm%d, %s", name, in.t, address)
	case "TDPBF16PS":
		return fmt.Sprintf("%s %%tmm%d, %%tmm%d, %%tmm%d", name, in.b, in.a, in.t)
	}
	return name
}

// tile executes one instruction of AMX (SDM vol. 2; the exceptions are those of classes AMX-E1 to E6).
func (m *machine) tile(code []byte) {
	in, err := decodeTile(code)
	if err != nil {
		panic(err)
	}
	s := &m.tiles
	use := func(n int) {
		if !s.configured {
			panic("#UD: no tiles are configured")
		}
		if s.rows[n] == 0 || s.cols[n] == 0 {
			panic(fmt.Sprintf("#UD: tile %d is not configured", n))
		}
	}
	addr := uint64(in.disp)
	stride := uint64(0)
	if in.memory {
		addr += m.gpr[gprNames[in.base]]
		if in.index >= 0 {
			stride = m.gpr[gprNames[in.index]] * uint64(in.scale)
		}
	}
	switch in.name {
	case "LDTILECFG":
		if in.index >= 0 {
			addr += stride
		}
		s.configure(m.at(addr, 64))
	case "TILERELEASE":
		*s = tileState{}
	case "TILEZERO":
		use(in.t)
		s.data[in.t] = [16][64]byte{}
	case "TILELOADD":
		use(in.t)
		s.data[in.t] = [16][64]byte{}
		for i := range s.rows[in.t] {
			copy(s.data[in.t][i][:], m.at(addr+uint64(i)*stride, s.cols[in.t]))
		}
	case "TILESTORED":
		use(in.t)
		for i := range s.rows[in.t] {
			n := s.cols[in.t]
			copy(m.at(addr+uint64(i)*stride, n), s.data[in.t][i][:n])
		}
	case "TDPBF16PS":
		use(in.t)
		use(in.a)
		use(in.b)
		s.dot(in.t, in.a, in.b)
	}
}

// configure takes what LDTILECFG reads.
func (s *tileState) configure(b []byte) {
	if b[0] == 0 {
		*s = tileState{}
		return
	}
	if b[0] != 1 {
		panic(fmt.Sprintf("#GP: palette %d", b[0]))
	}
	fresh := tileState{configured: true} // the tiles become 0
	for i, v := range b {
		used := i == 0 || i >= 16 && i < 32 || i >= 48 && i < 56
		if !used && v != 0 { // a start row, byte 1, is that of an interrupted instruction: kernels begin with 0
			panic(fmt.Sprintf("#GP: byte %d of the configuration is %d", i, v))
		}
	}
	for t := range 8 {
		fresh.cols[t], fresh.rows[t] = int(binary.LittleEndian.Uint16(b[16+2*t:])), int(b[48+t])
		if fresh.cols[t] > 64 || fresh.rows[t] > 16 || (fresh.cols[t] == 0) != (fresh.rows[t] == 0) {
			panic(fmt.Sprintf("#GP: tile %d of %d rows and %d bytes", t, fresh.rows[t], fresh.cols[t]))
		}
	}
	*s = fresh
}

// dot executes TDPBF16PS.
func (s *tileState) dot(c, a, b int) {
	if c == a || c == b || a == b {
		panic("#UD: a tile twice in one product")
	}
	if s.rows[c] != s.rows[a] || s.cols[c] != s.cols[b] || s.cols[a] != 4*s.rows[b] || s.cols[a]%4 != 0 || s.cols[b]%4 != 0 {
		panic(fmt.Sprintf("#UD: %dx%d bytes by %dx%d bytes into %dx%d bytes", s.rows[a], s.cols[a], s.rows[b], s.cols[b], s.rows[c], s.cols[c]))
	}
	brain := func(row []byte, i int) float32 { return f32(uint32(binary.LittleEndian.Uint16(row[2*i:])) << 16) }
	for i := range s.rows[c] {
		for j := range s.cols[c] / 4 {
			var even, odd float32
			for p := range s.cols[a] / 4 {
				x, y := s.data[a][i][:], s.data[b][p][:]
				even = tileFMA(brain(x, 2*p), brain(y, 2*j), even)
				odd = tileFMA(brain(x, 2*p+1), brain(y, 2*j+1), odd)
			}
			at := s.data[c][i][4*j:]
			sum := tileFMA(1, even, odd)
			binary.LittleEndian.PutUint32(at, u32(tileFMA(1, sum, f32(binary.LittleEndian.Uint32(at)))))
		}
	}
}

// tileFMA is x·y + z as AMX computes it: subnormal operands are 0, the exact value is rounded once to 24 bits as though
// exponents had no lower limit, and what is then below 2^-126 is 0 of its sign.
func tileFMA(x, y, z float32) float32 {
	for _, v := range []*float32{&x, &y, &z} {
		if b := u32(*v); b&0x7f800000 == 0 {
			*v = f32(b & 0x80000000)
		}
	}
	p, c := float64(x)*float64(y), float64(z) // p is exact
	s := p + c
	if math.IsNaN(s) || math.IsInf(s, 0) || s == 0 { // a float64 sum is 0 only if the exact one is
		return float32(s)
	}
	if abs := math.Abs(s); abs < 0x1p-127 { // no rounding reaches 2^-126
		return float32(math.Copysign(0, s))
	} else if abs > 0x1p-125 && math.Float64bits(s)<<35 != 1<<63 { // not between two float32: rounding twice does no harm
		return float32(s)
	}
	sum := new(big.Float).SetPrec(700).Add(new(big.Float).SetFloat64(p), new(big.Float).SetFloat64(c))
	sum.SetMode(big.ToNearestEven).SetPrec(24)
	if new(big.Float).Abs(sum).Cmp(big.NewFloat(0x1p-126)) < 0 {
		return float32(math.Copysign(0, s))
	}
	r, _ := sum.Float32() // exact, or an infinity
	return r
}
