package ort

import (
	"errors"
	"os"
)

// variable names the library, or the folder that has it.
const variable = "LAMINA_ONNXRUNTIME"

// None is what LAMINA_ONNXRUNTIME is set to in order to do without onnxruntime.
const None = "none"

// ErrSetting is wrapped, besides verify.ErrUnavailable, by errors of a process in
// which LAMINA_ONNXRUNTIME names something that is no onnxruntime. That is a mistake
// and no way to do without: see None.
var ErrSetting = errors.New(variable + " is set, but to no onnxruntime")

// Check looks for onnxruntime and loads it, so that a program that trains for long
// learns first that it could not prove what it exports. It returns nil too if
// LAMINA_ONNXRUNTIME is None. It is a train.Options.Needs.
//
// Errors: those of Runtime's Version, with what to do.
func Check() error {
	if os.Getenv(variable) == None {
		return nil
	}
	_, err := Runtime().Version()
	return err
}
