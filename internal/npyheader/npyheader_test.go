package npyheader

import (
	"bufio"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

func file(version byte, dict string) string {
	n := binary.LittleEndian.AppendUint16(nil, uint16(len(dict)))
	if version > 1 {
		n = binary.LittleEndian.AppendUint32(nil, uint32(len(dict)))
	}
	return magic + string([]byte{version, 0}) + string(n) + dict
}

func read(s string) (Header, int64, error) {
	return Read(bufio.NewReader(strings.NewReader(s)), int64(len(s)))
}

func TestRead(t *testing.T) {
	const plain = "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 6), }      \n"
	want := Header{"<f4", false, []int{5, 6}}
	for name, c := range map[string]struct {
		version byte
		dict    string
		want    Header
	}{
		"NumPy's":         {1, plain, want},
		"version 2":       {2, plain, want},
		"version 3":       {3, plain, want},
		"unpadded":        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 6)}", want},
		"other order":     {1, `{ "shape":(5,6,), "descr" : "<f4" ,"fortran_order":False }` + "   \n", want},
		"no spaces":       {1, "{'shape':(5,6),'fortran_order':False,'descr':'<f4'}", want},
		"long lengths":    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5L, 6L)}\n", want},
		"Python 2 string": {1, "{u'descr': b'<f4', 'fortran_order': False, 'shape': (5, 6)}", want},
		"over lines":      {1, "{\n'descr':\n'<f4',\n\t'fortran_order': False, 'shape': (5,\n6)}", want},
		"big, Fortran":    {1, "{'descr': '>f8', 'fortran_order': True, 'shape': (7,), }\n", Header{">f8", true, []int{7}}},
		"one number":      {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n", Header{"|u1", false, []int{}}},
		"no rows":         {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3), }\n", Header{"|u1", false, []int{0, 3}}},
	} {
		s := file(c.version, c.dict)
		h, n, err := read(s + "data")
		if err != nil || n != int64(len(s)) || h.Type != c.want.Type || h.Fortran != c.want.Fortran || !slices.Equal(h.Shape, c.want.Shape) {
			t.Errorf("%s: %+v, %d bytes, %v", name, h, n, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"nothing":        {"", "not an .npy file"},
		"text":           {"1.0 2.0\n3.0 4.0\n", "not an .npy file"},
		"magic alone":    {magic, "truncated"},
		"cut":            {file(1, "{'descr':")[:9], "truncated"},
		"version 0":      {file(0, "{}"), "version 0.0"},
		"version 4":      {file(4, "{}"), "version 4.0"},
		"longer":         {magic + "\x01\x00\xff\xff{}", "65545 bytes long"},
		"no dict":        {file(1, "hello"), `a dict should stand before "hello"`},
		"open":           {file(1, "{'descr': '<f4'"), "a comma should stand"},
		"lacks":          {file(1, "{'descr': '<f4'}"), "lacks"},
		"more":           {file(1, "{'descr': '<f4', 'x': 1}"), `key "x"`},
		"twice":          {file(1, "{'descr': '<f4', 'descr': '<f4'}"), "twice"},
		"structures":     {file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (5,)}"), "structures"},
		"no tuple":       {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5)}"), "not a tuple"},
		"list":           {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': [5]}"), "a tuple"},
		"two commas":     {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,,)}"), "a length"},
		"negative":       {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-5,)}"), "negative"},
		"beyond int64":   {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"), "beyond"},
		"float":          {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5.0,)}"), "a comma"},
		"axes":           {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ("+strings.Repeat("1,", 65)+")}"), "64 axes"},
		"maybe":          {file(1, "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (5,)}"), "True or False"},
		"escape":         {file(1, `{'descr': '\x3cf4', 'fortran_order': False, 'shape': (5,)}`), "a string"},
		"behind the end": {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,)} {}"), "the end"},
	} {
		_, _, err := read(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 200 {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 6), }\n"))
	f.Add(file(3, `{"shape":(5L,),"descr":u"<f4","fortran_order":True}`))
	f.Fuzz(func(t *testing.T, s string) {
		h, n, err := read(s)
		if err == nil && (n < 10 || n > int64(len(s)) || len(h.Shape) > maxAxes || slices.ContainsFunc(h.Shape, func(d int) bool { return d < 0 })) {
			t.Fatalf("%+v, %d bytes of %d", h, n, len(s))
		}
	})
}
