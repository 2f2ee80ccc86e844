package dataset

import (
	"bytes"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset/digits"
)

// Digits returns a class-balanced slice of MNIST that is part of the program: 8,000 training and 2,000 test rows,
// 800 and 200 of each digit, with columns x f32[784] in [0, 1], or u8[784] by IDXOptions, and y i64[]. As pictures
// they are Reshape("x", 1, 28, 28) of that. Package digits names authors and licence. Each call unpacks them anew.
func Digits(options ...IDXOptions) *Split {
	return &Split{
		Train: embedded(digits.TrainImages(), digits.TrainLabels(), options),
		Test:  embedded(digits.TestImages(), digits.TestLabels(), options),
	}
}

func embedded(images, labels []byte, options []IDXOptions) *Table {
	o, err := only("IDXOptions", options)
	if err != nil {
		return &Table{err: err}
	}
	x, err := decodeIDX(bytes.NewReader(images), int64(len(images)), true)
	if err != nil {
		return &Table{err: fmt.Errorf("dataset: embedded pictures: %w", err)}
	}
	y, err := decodeIDX(bytes.NewReader(labels), int64(len(labels)), true)
	if err != nil {
		return &Table{err: fmt.Errorf("dataset: embedded labels: %w", err)}
	}
	l, err := y.ints()
	if err != nil {
		return &Table{err: err}
	}
	d, err := x.data(o)
	if err != nil {
		return &Table{err: err}
	}
	t, err := NewTable(d, Data{Column: Column{Name: "y", DType: I64}, I64: l})
	if err != nil {
		return &Table{err: err}
	}
	return t
}
