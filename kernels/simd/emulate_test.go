//go:build amd64 && !noasm

package simd

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The emulator runs the text of a generated .s file, instruction by instruction, as the Intel manual describes them.
// It lets every kernel be tested where the CPU lacks its instructions, and it checks each lane of each access against
// the bounds of the operands, which is stricter than a guard page.

type operand struct {
	kind         byte // 'r' general, 'v' vector, 'k' mask, 'i' immediate, 'm' memory, 'l' label
	reg          int
	lanes        int
	imm          int64
	base, index  string
	scale        uint64
	label        string
	symbol       string
	displacement int64
}

type instruction struct {
	name  string
	args  []operand
	text  string
	bytes []byte // of an instruction that the assembler does not know
}

type program struct {
	code    map[string][]instruction
	labels  map[string]map[string]int
	symbols map[string][]byte
}

func parseProgram(t *testing.T, file string) *program {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &program{map[string][]instruction{}, map[string]map[string]int{}, map[string][]byte{}}
	fn := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line, comment, _ := strings.Cut(s.Text(), "//")
		line = strings.TrimSpace(line)
		name, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "", name[0] == '#', name == "GLOBL", name == "PCALIGN":
		case name == "DATA":
			var off, v uint64
			sym, at, _ := strings.Cut(rest, "<>+")
			if _, err := fmt.Sscanf(at, "%d(SB)/4, $%v", &off, &v); err != nil || off != uint64(len(p.symbols[sym])) {
				t.Fatalf("%s: %q: %v", file, line, err)
			}
			p.symbols[sym] = binary.LittleEndian.AppendUint32(p.symbols[sym], uint32(v))
		case name == "TEXT":
			fn, _, _ = strings.Cut(strings.TrimPrefix(rest, "·"), "(")
			p.labels[fn] = map[string]int{}
		case strings.HasSuffix(line, ":"):
			p.labels[fn][strings.TrimSuffix(line, ":")] = len(p.code[fn])
		case name == "BYTE":
			p.code[fn] = append(p.code[fn], instruction{name: name, text: strings.TrimSpace(comment), bytes: parseBytes(t, line)})
		default:
			in := instruction{name: name, text: line}
			for _, a := range strings.Split(rest, ", ") {
				if a != "" {
					in.args = append(in.args, parseOperand(name, a))
				}
			}
			p.code[fn] = append(p.code[fn], in)
		}
	}
	return p
}

func parseOperand(name, s string) operand {
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 0, 64)
		if err != nil {
			panic(fmt.Sprintf("%s: operand %q: %v", name, s, err))
		}
		return n
	}
	switch {
	case s[0] == '$':
		return operand{kind: 'i', imm: number(s[1:])}
	case name[0] == 'J':
		return operand{kind: 'l', label: s}
	case strings.Contains(s, "("):
		o := operand{kind: 'm'}
		head, rest, _ := strings.Cut(s, "(")
		parts := strings.Split(strings.ReplaceAll(rest, ")", ""), "(")
		o.base = parts[0]
		if len(parts) > 1 {
			i, sc, _ := strings.Cut(parts[1], "*")
			o.index, o.scale = i, uint64(number(sc))
		}
		if sym, off, ok := strings.Cut(head, "+"); ok { // arg+8(FP), name<>+32(SB)
			o.symbol, head = strings.TrimSuffix(sym, "<>"), off
		} else if strings.HasSuffix(head, "<>") {
			o.symbol, head = strings.TrimSuffix(head, "<>"), ""
		}
		if head != "" {
			o.displacement = number(head)
		}
		return o
	case s[0] == 'K':
		return operand{kind: 'k', reg: int(number(s[1:]))}
	case s[0] == 'Z':
		return operand{kind: 'v', reg: int(number(s[1:])), lanes: 16}
	case s[0] == 'X':
		return operand{kind: 'v', reg: int(number(s[1:])), lanes: 4}
	case s[0] == 'Y':
		return operand{kind: 'v', reg: int(number(s[1:])), lanes: 8}
	}
	return operand{kind: 'r', base: s}
}

type region struct {
	base uint64
	data []byte
	name string
}

type machine struct {
	*program
	gpr        map[string]uint64
	vec        [32][16]uint32
	k          [8]uint64
	zero, less bool
	mem        []region
	next       uint64
	symbolBase map[string]uint64
	frame      uint64
	steps      int
	dirty      bool // upper halves in use: VZEROUPPER is due
	flush      bool // MXCSR has FTZ and DAZ
	tiles      tileState
}

func newMachine(p *program) *machine {
	m := &machine{program: p, gpr: map[string]uint64{}, next: 1 << 20, symbolBase: map[string]uint64{}}
	for name, data := range p.symbols {
		m.symbolBase[name] = m.place(name, data)
	}
	for i := range m.vec { // what a register holds before it is written is anything
		for j := range m.vec[i] {
			m.vec[i][j] = 0x7fc0dead
		}
	}
	return m
}

// place gives data an address far from everything else.
func (m *machine) place(name string, data []byte) uint64 {
	base := m.next
	m.next += uint64(len(data))&^63 + 1<<16
	m.mem = append(m.mem, region{base, data, name})
	return base
}

func (m *machine) at(addr uint64, n int) []byte {
	for _, r := range m.mem {
		if addr >= r.base && addr+uint64(n) <= r.base+uint64(len(r.data)) {
			return r.data[addr-r.base:][:n]
		}
	}
	panic(fmt.Sprintf("access of %d bytes at %#x, outside every operand", n, addr))
}

func (m *machine) addr(o operand) uint64 {
	switch o.base {
	case "FP":
		return m.frame + uint64(o.displacement)
	case "SB":
		return m.symbolBase[o.symbol] + uint64(o.displacement)
	}
	a := m.gpr[o.base] + uint64(o.displacement)
	if o.index != "" {
		a += m.gpr[o.index] * o.scale
	}
	return a
}

func (m *machine) read(o operand) uint64 {
	switch o.kind {
	case 'i':
		return uint64(o.imm)
	case 'm':
		return binary.LittleEndian.Uint64(m.at(m.addr(o), 8))
	}
	return m.gpr[o.base]
}

func (m *machine) write(o operand, v uint64) {
	if o.kind == 'm' {
		binary.LittleEndian.PutUint64(m.at(m.addr(o), 8), v)
	} else {
		m.gpr[o.base] = v
	}
}

// lane reads lane i of a vector operand; broadcast reads one element of memory for every lane.
func (m *machine) lane(o operand, i int, broadcast bool) uint32 {
	if o.kind == 'v' {
		return m.vec[o.reg][i]
	}
	a := m.addr(o)
	if !broadcast {
		a += 4 * uint64(i)
	}
	return binary.LittleEndian.Uint32(m.at(a, 4))
}

func f32(b uint32) float32 { return math.Float32frombits(b) }

// run executes one function with 8-byte arguments.
func (m *machine) run(fn string, args ...uint64) (err error) {
	frame := make([]byte, 0, 64)
	for _, a := range args {
		frame = binary.LittleEndian.AppendUint64(frame, a)
	}
	m.frame = m.place("frame", frame)
	code := m.code[fn]
	if code == nil {
		return fmt.Errorf("no function %s", fn)
	}
	pc := 0
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %q: %v", fn, code[pc].text, r)
		}
	}()
	for ; ; pc++ {
		if m.steps++; m.steps > 1<<22 {
			return fmt.Errorf("%s does not end", fn)
		}
		in := code[pc]
		if in.name == "RET" {
			if m.dirty {
				return fmt.Errorf("%s returns without VZEROUPPER", fn)
			}
			if m.flush {
				return fmt.Errorf("%s returns with FTZ and DAZ set", fn)
			}
			if m.tiles.configured {
				return fmt.Errorf("%s returns without TILERELEASE", fn)
			}
			return nil
		}
		if in.name[0] == 'J' {
			taken := map[string]bool{"JMP": true, "JZ": m.zero, "JNZ": !m.zero, "JNE": !m.zero, "JE": m.zero, "JLT": m.less, "JGE": !m.less, "JLE": m.less || m.zero, "JGT": !m.less && !m.zero}
			to, known := taken[in.name]
			if !known {
				panic("unknown jump")
			}
			if to {
				target, ok := m.labels[fn][in.args[0].label]
				if !ok {
					panic("unknown label")
				}
				pc = target - 1
			}
			continue
		}
		if m.bf16(in) {
			continue
		}
		switch {
		case in.bytes != nil:
			m.tile(in.bytes)
		case in.name[0] == 'V':
			m.vector(in)
		default:
			m.integer(in)
		}
	}
}

func (m *machine) integer(in instruction) {
	a := in.args
	last := a[len(a)-1]
	result := func(v uint64, less bool) {
		m.write(last, v)
		m.zero, m.less = v == 0, less
	}
	switch in.name {
	case "PREFETCHT0", "PREFETCHT1": // no access: an address outside every operand is no fault
	case "MOVQ":
		m.write(last, m.read(a[0]))
	case "MOVL":
		if a[0].kind == 'm' {
			m.write(last, uint64(binary.LittleEndian.Uint32(m.at(m.addr(a[0]), 4))))
			break
		}
		m.write(last, uint64(uint32(m.read(a[0]))))
	case "MOVB": // of a register the other bytes stay
		if a[0].kind == 'm' {
			m.write(last, m.read(last)&^0xff|uint64(m.at(m.addr(a[0]), 1)[0]))
			break
		}
		m.at(m.addr(last), 1)[0] = byte(m.read(a[0]))
	case "LEAQ":
		m.write(last, m.addr(a[0]))
	case "KMOVW":
		if a[0].kind == 'm' {
			m.k[last.reg] = uint64(binary.LittleEndian.Uint16(m.at(m.addr(a[0]), 2)))
		} else {
			m.k[last.reg] = m.read(a[0]) & 0xffff
		}
	case "KMOVD":
		m.k[last.reg] = uint64(binary.LittleEndian.Uint32(m.at(m.addr(a[0]), 4)))
	case "CMPQ":
		x, y := int64(m.read(a[0])), int64(m.read(a[1]))
		m.zero, m.less = x == y, x < y
	case "TESTQ":
		v := m.read(a[0]) & m.read(a[1])
		m.zero, m.less = v == 0, int64(v) < 0
	case "ADDQ":
		v := m.read(last) + m.read(a[0])
		result(v, int64(v) < 0)
	case "SUBQ":
		x, y := m.read(last), m.read(a[0])
		result(x-y, int64(x) < int64(y))
	case "ANDQ":
		v := m.read(last) & m.read(a[0])
		result(v, int64(v) < 0)
	case "DECQ":
		v := m.read(last)
		result(v-1, int64(v) < 1)
	case "INCQ":
		v := m.read(last)
		result(v+1, int64(v) < -1)
	case "DECL":
		v := uint64(uint32(m.read(last)) - 1)
		result(v, int32(v) < 0)
	case "IMUL3Q":
		m.write(last, m.read(a[0])*m.read(a[1]))
	case "SHLQ":
		result(m.read(last)<<m.read(a[0]), false)
	case "SHRQ":
		result(m.read(last)>>m.read(a[0]), false)
	case "SHLL":
		result(uint64(uint32(m.read(last))<<(m.read(a[0])&31)), false)
	default:
		panic("unknown instruction")
	}
}
