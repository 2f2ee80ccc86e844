package verify

import (
	"context"
	"errors"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// ErrUnavailable is wrapped by the errors of a runtime that cannot be used on
// this machine: not installed, too old, or left out of this build. The message
// says what to install.
var ErrUnavailable = errors.New("runtime is not available")

// Runtime executes ONNX models. Implementations are safe for concurrent use.
type Runtime interface {
	// Name returns the runtime's name as reports print it, such as
	// "onnxruntime".
	Name() string

	// Version returns the version in use, such as "1.32.0", or an error that
	// wraps ErrUnavailable.
	Version() (string, error)

	// Open prepares a serialized ModelProto. The bytes may be hostile: what is
	// not a model the runtime accepts is an error, and so is one that keeps
	// tensors in other files: onnximport.ReadFile puts them into the bytes. The
	// error wraps ErrUnavailable if there is no runtime to ask.
	Open(model []byte) (Session, error)
}

// Session is a model ready to run. It is safe for concurrent use.
type Session interface {
	// Run computes every output of the model, by name. There must be one tensor
	// for each input, of its element type and shape; none is changed or kept.
	// Integers narrower than 64 bits are I64 on this side, and a value that does
	// not fit is an error. Run returns ctx.Err() soon after ctx ends.
	Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error)

	// Close frees the model once running calls have returned. A second Close
	// does nothing.
	Close() error
}

// Inspector is what a Session implements that can say what the model is.
type Inspector interface {
	// Inputs returns the inputs a call must give, in the model's order.
	Inputs() []Port

	// Outputs returns the outputs, in the model's order.
	Outputs() []Port

	// Metadata returns what the file says about itself.
	Metadata() (Metadata, error)
}

// Port is an input or output of a model.
type Port struct {
	Name string

	// Elem is the element type: "f32", "f64", "f16", "bf16", "i8" to "i64", "u8"
	// to "u64", "bool", "string", or a phrase for what is not a plain tensor.
	Elem string

	// Dims has -1 for a length left open. It is empty for a scalar and for a
	// tensor of unknown rank.
	Dims []int64
}

// Metadata is what a ModelProto states beside the graph.
type Metadata struct {
	Producer    string
	Graph       string
	Domain      string
	Description string
	Version     int64             // model_version
	Props       map[string]string // metadata_props
}
