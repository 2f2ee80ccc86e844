package bundle

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/engine"
)

// Shipped returns model.onnx of a bundle, as it was written, and the record of its
// training. Nothing is executed. The folder may be hostile, as for Verify.
//
// Errors: one that wraps ErrDiffers for a file that was altered; ErrUnreadable for a
// folder that is not a bundle; that of ctx.
func Shipped(ctx context.Context, dir string) (model []byte, rec engine.Record, err error) {
	r := &reader{v: &Verdict{}, budget: maxTensor}
	defer r.close()
	if err = r.start(ctx, dir); err == nil && len(r.altered) > 0 {
		err = differs("%s", r.alterations())
	}
	if err == nil {
		model, err = r.same(modelFile, maxModel)
	}
	if err == nil {
		rec, err = r.record()
	}
	if err != nil {
		return nil, rec, fmt.Errorf("bundle: %w", err)
	}
	return model, rec, nil
}
