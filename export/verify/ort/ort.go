//go:build cgo && !windows

package ort

import (
	"fmt"
	"sync"

	"github.com/lamina-ml/lamina/export/verify"
	onnxruntime "github.com/yalue/onnxruntime_go"
)

// Runtime returns onnxruntime. The shared library is looked up and loaded by
// the first call that needs it; it then stays for the life of the process. A
// failed look-up is made again by the next call.
func Runtime() verify.Runtime { return native{} }

// native has no fields: onnxruntime allows one environment in a process, and
// the wrapper holds it in variables of its own, so two values could not differ.
type native struct{}

// process guards the loading of that one environment.
var process struct {
	sync.Mutex
	version string // "" until loaded
}

func (native) Name() string { return "onnxruntime" }

func (native) Version() (string, error) { return load() }

func (native) Open(model []byte) (s verify.Session, err error) {
	if _, err := load(); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("onnxruntime: opening the model: internal error: %v", r)
		}
	}()
	return open(model)
}

// load loads the library on the first call that finds one, and returns its
// version.
func load() (string, error) {
	process.Lock()
	defer process.Unlock()
	if process.version != "" {
		return process.version, nil
	}
	path, version, release, err := defaultSearch().library()
	if err != nil {
		return "", err
	}
	// The wrapper opens the same library again before this handle goes.
	defer release()
	onnxruntime.SetSharedLibraryPath(path)
	if err := onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelFatal()); err != nil {
		return "", fmt.Errorf("onnxruntime: %w: loading %s: %v; %s", verify.ErrUnavailable, path, err, advice)
	}
	process.version = version
	return version, nil
}
