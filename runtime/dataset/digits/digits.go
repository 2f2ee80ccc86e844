// Package digits embeds a class-balanced slice of MNIST as gzip IDX files: 800 training and 200 test rows of each
// digit, 28 by 28 bytes. README.md names authors, licence and how the rows were drawn; package dataset reads them.
package digits

import _ "embed"

var (
	//go:embed train-images-idx3-ubyte.gz
	trainImages []byte
	//go:embed train-labels-idx1-ubyte.gz
	trainLabels []byte
	//go:embed t10k-images-idx3-ubyte.gz
	testImages []byte
	//go:embed t10k-labels-idx1-ubyte.gz
	testLabels []byte
)

// TrainImages returns the file of 8,000 training pictures; it must not be changed.
func TrainImages() []byte { return trainImages }

// TrainLabels returns the file of the training pictures' labels; it must not be changed.
func TrainLabels() []byte { return trainLabels }

// TestImages returns the file of 2,000 test pictures; it must not be changed.
func TestImages() []byte { return testImages }

// TestLabels returns the file of the test pictures' labels; it must not be changed.
func TestLabels() []byte { return testLabels }
