package train

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
)

// A decoder's tied weights have the encoder's names: what names the decoder does not
// find them, and that is said.
func TestTiedNamesAreTold(t *testing.T) {
	src := (&source{}).add("decoder/tied2/w", ramp(96), 8, 12).add("decoder/tied2/b", ramp(12), 12).add("decoder/tied1/b", ramp(8), 8)
	o := options()
	o.InitFrom = []From{{Tensors: src, Pattern: "decoder"}}
	r := mustNew(t, o).InitReports()[0]
	if want := "the model has no parameter of this name: decoder/tied2 uses encoder/dense1/w"; len(r.Skipped) != 1 || r.Skipped[0].Why != want {
		t.Errorf("got %v, want %q", r, want)
	}
	var log bytes.Buffer
	o = options()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Freeze, o.Optimizer = []string{"decoder"}, optim.Adam(1e-3).Group("decoder/tied2", 0.1).Group("encoder", 0.5)
	mustNew(t, o)
	for _, want := range []string{`Freeze \"decoder\" does not hold for encoder/dense1/w, which decoder/tied2 is tied to`,
		`Freeze \"decoder\" does not hold for encoder/dense2/w, which decoder/tied1 is tied to`,
		`the optimizer's group \"decoder/tied2\" does not hold for encoder/dense1/w`} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("the log lacks %s, once:\n%s", want, log.String())
		}
	}
	if strings.Count(log.String(), "does not hold") != 3 {
		t.Errorf("the log is\n%s", log.String())
	}
}
