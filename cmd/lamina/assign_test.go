package main

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/verify"
)

func TestAssign(t *testing.T) {
	ports := func(names ...string) (list []verify.Port) {
		for _, n := range names {
			list = append(list, verify.Port{Name: n})
		}
		return list
	}
	for _, c := range []struct {
		values []string
		ports  []verify.Port
		want   string // name<file, or words of the error
	}{
		{[]string{"x.npy"}, ports("x"), "x<x.npy"},
		{[]string{"x=x.npy"}, ports("x"), "x<x.npy"},
		{[]string{"a=b=x.npy"}, ports("a=b"), "a=b<x.npy"},
		{[]string{"a=b=x.npy", "a=./b=x.npy"}, ports("a", "a=b"), "a=b<x.npy a<./b=x.npy"},
		{[]string{"x=odd=name.npy"}, ports("x", "y"), "x<odd=name.npy"},
		{[]string{"/dense/MatMul:0=z.npy"}, ports("/dense/MatMul:0"), "/dense/MatMul:0<z.npy"},
		{[]string{"Y=y.npy"}, ports("y"), `the model has no output "Y"; it has "y"`},
		{[]string{"Y=y.npy"}, ports("y", "z"), `the model has no output "Y"; it has "y", "z"`},
		{[]string{"y.npy"}, ports("y", "z"), `which output? write NAME=FILE; the model has "y", "z"`},
		{[]string{"y.npy"}, nil, "the model has none"},
		{[]string{"y="}, ports("y"), "names no file"},
		{[]string{""}, ports("y"), "names no file"},
		{[]string{"y=a", "y=b"}, ports("y", "z"), `"y" has a file already`},
		{[]string{"y=a.npy", "z=./a.npy"}, ports("y", "z"), "another output's already"},
	} {
		var got []string
		list, err := assign("output", c.values, c.ports)
		for _, a := range list {
			got = append(got, a.port.Name+"<"+a.file)
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, " "); text != c.want && (err == nil || !strings.Contains(text, c.want)) {
			t.Errorf("%q for %d outputs: got %s, want %s", c.values, len(c.ports), text, c.want)
		}
	}
}
