package train

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// SignalContext returns a context that ends at the first Ctrl-C or SIGTERM, on
// which a training writes its checkpoint and returns ErrInterrupted. The second
// signal ends the process as usual.
func SignalContext() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}
