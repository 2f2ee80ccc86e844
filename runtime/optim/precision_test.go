package optim

import "testing"

func TestPrecision(t *testing.T) {
	head := BF16.Except("head")
	two := head.Except("decoder/*")
	for _, c := range []struct {
		p      Precision
		narrow bool
		text   string
		kept   map[string]bool
	}{
		{Precision{}, false, "FP32", map[string]bool{"head": true}},
		{FP32, false, "FP32", map[string]bool{"head": true}},
		{BF16, true, "BF16", map[string]bool{"head": false, "decoder/dense1": false}},
		{head, true, "BF16 except head", map[string]bool{"head": true, "head2": false, "head/dense1": true}},
		{two, true, "BF16 except head, decoder/*", map[string]bool{"head": true, "decoder/dense1": true, "encoder": false}},
	} {
		if c.p.Narrow() != c.narrow || c.p.String() != c.text {
			t.Errorf("%v is %q, in bf16 %v", c.p, c.p.String(), c.p.Narrow())
		}
		for layer, kept := range c.kept {
			if c.p.Keeps(layer) != kept {
				t.Errorf("%v keeps %q in FP32: %v", c.p, layer, !kept)
			}
		}
	}
	if len(BF16.Kept()) != 0 || len(head.Kept()) != 1 {
		t.Error("Except changes what it is called on")
	}
	for name, want := range map[string]string{"": "FP32", "fp32": "FP32", "BF16": "BF16", "bf16": "BF16"} {
		if p, err := ParsePrecision(name); err != nil || p.String() != want {
			t.Errorf("%q is %v: %v", name, p, err)
		}
	}
	if _, err := ParsePrecision("fp8"); err == nil {
		t.Error("fp8 is a precision")
	}
}
