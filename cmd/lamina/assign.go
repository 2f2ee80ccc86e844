package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// assignment is a port and the file for it.
type assignment struct {
	port verify.Port
	file string
}

// assign reads the values of a flag, "input" or "output": NAME=FILE, or FILE alone
// for the only port. A name may hold =, so the longest that fits is meant.
func assign(flag string, values []string, ports []verify.Port) ([]assignment, error) {
	var list []assignment
	for _, v := range values {
		at, file := -1, v
		for i, p := range ports {
			rest, ok := strings.CutPrefix(v, p.Name+"=")
			if ok && (at < 0 || len(p.Name) > len(ports[at].Name)) {
				at, file = i, rest
			}
		}
		if name, _, named := strings.Cut(v, "="); at < 0 && named {
			return nil, fmt.Errorf("--%s %s: the model has no %s %q; it has %s (for a file with = in its name, write NAME=FILE)", flag, command.Clean(v), flag, command.Clean(name), portNames(ports))
		}
		if at < 0 && len(ports) != 1 {
			return nil, fmt.Errorf("--%s %s: which %s? write NAME=FILE; the model has %s", flag, command.Clean(v), flag, portNames(ports))
		}
		at = max(at, 0)
		if file == "" {
			return nil, fmt.Errorf("--%s %q names no file", flag, v)
		}
		if slices.ContainsFunc(list, func(a assignment) bool { return a.port.Name == ports[at].Name }) {
			return nil, fmt.Errorf("--%s %s: %s %q has a file already", flag, command.Clean(v), flag, command.Clean(ports[at].Name))
		}
		if slices.ContainsFunc(list, func(a assignment) bool { return samePath(a.file, file) }) && flag == "output" {
			return nil, fmt.Errorf("--output %s: the file is another output's already", command.Clean(v))
		}
		list = append(list, assignment{ports[at], file})
	}
	return list, nil
}

// samePath reports whether two paths lead to one file, which need not exist.
func samePath(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return os.SameFile(x, y)
	}
	a, errX = filepath.Abs(a)
	b, errY = filepath.Abs(b)
	return errX == nil && errY == nil && a == b
}

// mayWrite refuses to put an output in the place of what cannot be replaced, or
// of a file that is read.
func mayWrite(path string, from []assignment) error {
	out, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !out.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file, so it cannot be replaced", path)
	}
	for _, a := range from {
		if in, err := os.Stat(a.file); err == nil && os.SameFile(in, out) {
			return fmt.Errorf("%s: it is read as %q, so it cannot be an output too; name another file", path, command.Clean(a.port.Name))
		}
	}
	return nil
}

// modelPorts returns the inputs that a caller gives and the outputs of a model.
func modelPorts(m *onnxpb.ModelProto) (ins, outs []verify.Port) {
	r := reportModel(m)
	list := func(ports []portReport) (list []verify.Port) {
		for _, p := range ports {
			list = append(list, verify.Port{Name: p.Name, Elem: p.Elem})
		}
		return list
	}
	return list(r.Inputs), list(r.Outputs)
}

func portNames(ports []verify.Port) string {
	if len(ports) == 0 {
		return "none"
	}
	var names []string
	for i, p := range ports {
		if i == maxLines {
			names = append(names, "…")
			break
		}
		names = append(names, fmt.Sprintf("%q", command.Clean(p.Name)))
	}
	return strings.Join(names, ", ")
}
