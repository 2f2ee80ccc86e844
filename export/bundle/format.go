package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Format is the version of the folder's layout.
const Format = 1

// Names of the files of a bundle.
const (
	modelFile        = "model.onnx"
	dataFile         = "data.json"
	layersFile       = "layers.npz"
	boundsFile       = "bounds.npz" // bundles of before have none
	verificationFile = "verification.json"
	trainingFile     = "training.json"
	driftFile        = "drift.json" // there if enough rows were given
	rowsFile         = "rows.json"  // there if phases were trained on rows that were chosen
	setPrefix        = "test_data_set_"
)

// Limits on what a bundle may hold: it may come from anywhere.
const (
	maxJSON   = 16 << 20
	maxModel  = 1<<31 - 1
	maxTensor = 1 << 30
	maxLayers = 1 << 28
	maxBounds = 1 << 29
	maxDrift  = 64 << 20
	maxFiles  = 10_000
	maxPorts  = 1000
)

// Unverified is appended to the folder's name if no runtime except Lamina's own was
// available; Promote removes it.
const Unverified = ".unverified"

// ErrUnverified is wrapped by the error of Write if no runtime except Lamina's own was
// available: what was written is not a bundle.
var ErrUnverified = errors.New("the export was not executed and compared")

// ErrUnreadable is wrapped by the error of Verify for a folder that is not a bundle or
// cannot be read.
var ErrUnreadable = errors.New("the bundle cannot be read")

// tolerances is data.json, where a test runner of ONNX looks for them: of all sets
// at the top, of one set in its folder.
type tolerances struct {
	RTol float64 `json:"rtol"`
	ATol float64 `json:"atol"`
}

// verification is verification.json.
type verification struct {
	Format int `json:"format"`
	*verify.Report
	Outputs map[string]float64 `json:"outputs"` // tolerance of each output over the stored sets
	Inputs  []string           `json:"inputs"`  // in the order of input_K.pb
	Results []string           `json:"results"` // in the order of output_K.pb
	Stored  []storedSet        `json:"stored_sets"`
	Layers  []layer            `json:"layers"` // in the order of the file's nodes
	Files   map[string]string  `json:"files"`  // SHA-256 of each, in hexadecimal
}

// storedSet is one test_data_set_K.
type storedSet struct {
	Folder string `json:"folder"`
	Name   string `json:"name"`
	Rows   int    `json:"rows"`
}

// layer says where a named layer's output is in the model and in layers.npz.
type layer struct {
	Name      string  `json:"name"`
	Position  string  `json:"position,omitempty"`
	Value     string  `json:"value"`
	Array     string  `json:"array,omitempty"` // its name in layers.npz if that is not Name: an earlier use of the layer
	Tolerance float64 `json:"tolerance"`
}

// Report describes what Write wrote.
type Report struct {
	Dir          string         // the folder; Unverified is part of the name if it was not verified
	Rows         int            // rows of the first test set
	Tolerance    float64        // greatest tolerance of an element
	Verification *verify.Report // by Lamina's own runtime alone if no other was available
	Files        []string       // relative to Dir, sorted
	Bytes        int64

	Precision *engine.Precision // what the training's precision changes; nil for FP32
}

// String says what was written and how it compared, in one line.
func (r *Report) String() string {
	s := fmt.Sprintf("%s: %d files, %d bytes, not verified", r.Dir, len(r.Files), r.Bytes)
	if v := r.Verification; v != nil {
		s = fmt.Sprintf("%s: %s, worst difference %.2g, tolerance %.2g", r.Dir, v.Status, v.WorstAbs, r.Tolerance)
	}
	if r.Precision != nil {
		s += "; " + r.Precision.String()
	}
	return s
}

// The values of Verdict.Status.
const (
	Holds        = verify.Holds
	Differs      = verify.Differs
	Undetermined = verify.Undetermined
	Unreadable   = "unreadable"
)

// Verdict says whether a bundle still computes what was trained.
type Verdict struct {
	Status    string               `json:"status"`
	Runtimes  []verify.RuntimeInfo `json:"runtimes"`          // those that ran
	Missing   []string             `json:"missing,omitempty"` // why others did not
	Sets      []SetVerdict         `json:"sets"`
	HardRows  int                  `json:"hard_rows"` // rows made up to break a file that were checked too
	WorstAbs  float64              `json:"worst_abs"`
	WorstRow  int                  `json:"worst_row"`
	Tolerance float64              `json:"tolerance"`

	// Determined is the least share of an output's elements of the first set that a
	// comparison says something about: see verify.Determined.
	Determined float64 `json:"determined"`

	Layer    string `json:"layer,omitempty"`
	Position string `json:"position,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// SetVerdict is what replaying one stored set showed.
type SetVerdict struct {
	Name     string  `json:"name"`
	Rows     int     `json:"rows"`
	WorstAbs float64 `json:"worst_abs"`
	WorstRow int     `json:"worst_row"`
}

// array returns the layer's name in layersFile.
func (l layer) array() string {
	if l.Array != "" {
		return l.Array
	}
	return l.Name
}

// encode returns v as indented JSON with a final line feed, lists of numbers on
// one line.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	// A string in JSON has no line feed, so this matches nothing inside one.
	numbers := regexp.MustCompile(`\[\n[-+0-9.eE,\s]*\]`)
	return numbers.ReplaceAllFunc(b.Bytes(), func(list []byte) []byte {
		list = bytes.Join(bytes.Fields(list), []byte(" "))
		list = bytes.Replace(list, []byte("[ "), []byte("["), 1)
		return bytes.Replace(list, []byte(" ]"), []byte("]"), 1)
	}), nil
}

// decode reads one JSON value and nothing after it.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// local reports whether a name from a file stays inside the bundle.
func local(name string) bool {
	return name != "" && len(name) < 256 && name == path.Clean(name) && !path.IsAbs(name) && name != "." && name != ".." &&
		!strings.HasPrefix(name, "../") && !strings.ContainsAny(name, "\\:\x00")
}

// validate returns what is wrong with a verification.json that may be hostile.
func (v *verification) validate() error {
	switch {
	case v.Format != Format:
		return fmt.Errorf("format %d is not %d, the one this version reads", v.Format, Format)
	case v.Report == nil || v.Files == nil:
		return errors.New("parts are missing")
	case len(v.Files) > maxFiles || len(v.Stored) > maxFiles || len(v.Layers) > maxFiles*100 || len(v.Inputs) > maxPorts || len(v.Results) > maxPorts:
		return errors.New("it lists too much")
	case len(v.Stored) == 0:
		return errors.New("it lists no test sets")
	}
	for name, sum := range v.Files {
		if !local(name) || len(sum) != 64 {
			return fmt.Errorf("entry %q of files is malformed", name)
		}
	}
	for _, name := range []string{modelFile, dataFile, layersFile, trainingFile} {
		if v.Files[name] == "" {
			return fmt.Errorf("it does not list %s", name)
		}
	}
	seen := map[string]bool{}
	for _, s := range v.Stored {
		if seen[s.Folder] { // or a small file would ask for a huge replay
			return fmt.Errorf("test set %q is listed twice", s.Folder)
		}
		seen[s.Folder] = true
		if !local(s.Folder) || !strings.HasPrefix(s.Folder, setPrefix) || strings.Contains(s.Folder, "/") {
			return fmt.Errorf("test set %q is malformed", s.Folder)
		}
		parts := append(v.files(s.Folder, "input", len(v.Inputs)), v.files(s.Folder, "output", len(v.Results))...)
		for _, name := range append(parts, s.Folder+"/"+dataFile) {
			if v.Files[name] == "" {
				return fmt.Errorf("it does not list %s", name)
			}
		}
	}
	return nil
}

// files returns the names of a set's tensors.
func (v *verification) files(folder, kind string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s/%s_%d.pb", folder, kind, i)
	}
	return out
}
