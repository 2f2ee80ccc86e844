package main

import (
	"bytes"
	"testing"

	"github.com/lamina-ml/lamina/internal/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

func TestOnDevice(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), "/tmp/grad/ondevice"
	var out bytes.Buffer
	if _, err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), 2, nil); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
}
