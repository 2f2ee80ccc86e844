package onnxpb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// NotModel returns the error for bytes that hold no ONNX model: what they hold
// instead if their beginning tells, else why.
func NotModel(b []byte, why error) error { return notA("model", b, why) }

func notA(what string, b []byte, why error) error {
	if is := Foreign(b); is != "" {
		return fmt.Errorf("not an ONNX %s but %s", what, is)
	}
	return fmt.Errorf("not an ONNX %s: %w", what, why)
}

// magics are files that are met under the name of a model, by how they begin.
var magics = []struct{ start, is string }{
	{lfsStart, "a Git LFS pointer, which only names the file; fetch the file itself with git lfs pull"},
	{"\x1f\x8b", "a gzip file; unpack it first"},
	{"\x28\xb5\x2f\xfd", "a Zstandard file; unpack it first"},
	{"\xfd7zXZ\x00", "an xz file; unpack it first"},
	{"BZh", "a bzip2 file; unpack it first"},
	{"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them; convert it with tf2onnx"},
	{"\x93NUMPY", "a NumPy .npy file, which holds one array"},
	{"GGUF", "a GGUF file, which holds weights and no graph"},
	{"LAMINACK", "a checkpoint of a training; its model is exported into a bundle"},
	{"<?xml", "an XML document"},
}

const (
	lfsStart     = "version https://git-lfs.github.com/spec/"
	foreignStart = 4 << 10 // bytes that are looked at
)

// IsPointer reports whether the bytes are a Git LFS pointer in place of a file.
func IsPointer(b []byte) bool { return bytes.HasPrefix(b, []byte(lfsStart)) }

// Foreign says what the bytes are that were taken for an ONNX file, as in "a gzip
// file; unpack it first", or returns "" where their beginning does not tell. It is
// for files that did not decode: some of its answers also fit an ONNX file.
func Foreign(b []byte) string {
	if len(b) == 0 {
		return "an empty file"
	}
	head := b[:min(len(b), foreignStart)]
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.start)) {
			return m.is
		}
	}
	at := func(offset int, s string) bool {
		return len(head) >= offset && bytes.HasPrefix(head[offset:], []byte(s))
	}
	switch {
	case at(0, "PK\x03\x04"):
		return archive(head)
	case at(4, "TFL3"):
		return "a TensorFlow Lite model; convert it with tf2onnx"
	case at(4, "ORTM"):
		return "a model in onnxruntime's own format; take the .onnx file that it was made from"
	case at(257, "ustar"):
		return "a tar archive; unpack it first"
	case at(0, "\x80") && len(head) > 1 && head[1] >= 2 && head[1] <= 5:
		return "a Python pickle, as torch.save wrote it of old; load it there and export the module with torch.onnx.export"
	case safetensors(b):
		return "a safetensors file, which holds weights and no graph; export the module with torch.onnx.export"
	case len(bytes.Trim(head, "\x00")) == 0:
		return "a file of zeros; the copy or the download broke off"
	}
	return text(head)
}

// archive tells ZIP files apart by the names of their first members.
func archive(head []byte) string {
	has := func(s string) bool { return bytes.Contains(head, []byte(s)) }
	switch {
	case has("/data.pkl"), has("/constants.pkl"), has("/.format_version"), has("/archive_format"):
		return "a PyTorch file (a ZIP archive); load it there and export the module with torch.onnx.export"
	case has(".npy"):
		return "a NumPy .npz file, which holds arrays"
	case has("metadata.json"), has("model.weights.h5"):
		return "a Keras file (a ZIP archive); convert it with tf2onnx"
	}
	return "a ZIP archive; unpack it first"
}

// safetensors begin with the length of a JSON object that follows.
func safetensors(b []byte) bool {
	if len(b) < 10 || b[8] != '{' {
		return false
	}
	n := binary.LittleEndian.Uint64(b)
	return n <= uint64(len(b)-8) && bytes.HasSuffix(bytes.TrimRight(b[8:8+n], " "), []byte("}"))
}

// text says what a text is, "" for bytes that are none.
func text(head []byte) string {
	s := strings.TrimPrefix(string(head), "\ufeff")
	if len(head) == foreignStart { // the last rune may be cut
		for i := 0; i < utf8.UTFMax && !utf8.ValidString(s); i++ {
			s = s[:len(s)-1]
		}
	}
	control := func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r\f", r) || r == 0x7f }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, control) {
		return ""
	}
	s = strings.TrimSpace(s)
	for _, tag := range []string{"<!doctype html", "<html", "<head"} {
		if len(s) >= len(tag) && strings.EqualFold(s[:len(tag)], tag) {
			return "a web page; the address gave a page about the file, or a login, instead of the file"
		}
	}
	if s == "" {
		return "a text of white space"
	}
	line, _, _ := strings.Cut(s, "\n")
	if r := []rune(line); len(r) > 60 {
		line = string(r[:60]) + "…"
	}
	return "a text that begins " + strconv.Quote(strings.TrimSpace(line))
}
