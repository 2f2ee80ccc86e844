package yardstick

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// A data set beside the digits is a folder below Options.Datasets, by whose name cells
// ask for it.
const (
	fashion = "fashion-mnist" // the four IDX files of Xiao et al. 2017
	cifar   = "cifar10"       // the pictures of Krizhevsky 2009 as JPEG files, in an archive
	flights = "table"         // the flights from New York in 2013 (nycflights13)
	watches = "series"        // the recordings of Burns et al. 2018
)

// cifarFile is the archive in the folder of cifar: train/CLASS/*.jpg and test/CLASS/*.jpg.
const cifarFile = "cifar10-jpeg.tar.gz"

// ErrAbsent is why a cell is skipped whose data set is not there.
var ErrAbsent = errors.New("the data set is absent")

// set is how a data set is read, and what is known of it.
type set struct {
	title       string
	train, test string // hashes of the published rows, by which they are the data set
	get         string // where one gets it
	read        func(dir string) (*dataset.Split, error)
}

var sets = map[string]set{
	fashion: {"Fashion-MNIST", fashionTrain, fashionTest, "the four IDX files of Fashion-MNIST, as in Debian's package dataset-fashion-mnist", func(dir string) (*dataset.Split, error) { return dataset.MNIST(dir) }},
	cifar: {"CIFAR-10 as JPEG", cifarTrain, cifarTest, cifarFile + ", CIFAR-10 as JPEG files in train/CLASS and test/CLASS", func(dir string) (*dataset.Split, error) {
		file := filepath.Join(dir, cifarFile)
		train, err := dataset.ImageArchive(file, "train", dataset.ImageOptions{Bytes: true})
		if err != nil {
			return nil, err
		}
		test, err := dataset.ImageArchive(file, "test", dataset.ImageOptions{Bytes: true})
		return &dataset.Split{Train: train, Test: test}, err
	}},
	flights: {"flights of 2013", flightsTrain, flightsTest, flightsFile + ", the table of nycflights13 as CSV", func(dir string) (*dataset.Split, error) {
		rows, err := readFlights(context.Background(), filepath.Join(dir, flightsFile))
		if err != nil {
			return nil, err
		}
		return byDay(rows)
	}},
	watches: {"windows of the watch", watchRows, "", watchFile + ", the recordings of the Python package seglearn", readWatch},
}

// Hashes of the rows, as dataset.Hash gives them.
const (
	fashionTrain = "6f8fdae9e33e9622d4fc999cbf19cfff057a0b847f78863f789d8076141d4f26"
	fashionTest  = "f9ad41c0f7b633b51f74887c3e838bdc8ca512869171b827d11eb2f0918d4781"
	cifarTrain   = "e0916862d794186d3e80aa938868006723d2dc16f69b629cd7dc273309039da8"
	cifarTest    = "98b27d9eb1d29bc562d1369b8c613462d6fe04df318583a6c6c384c8c4fdac0c"
	flightsTrain = "5b94c2a8fc49e8d9f6f8dd351719e39fe2a87f41bb0aedb441af3644b33ccade"
	flightsTest  = "b67a56f7beffb2733741acfcd5b0c1e550e06c669252401d6d95e65cc94d110a"
	watchRows    = "c08e20e2cf7b0379f2b473135cd5ef18f912a92defd01b7ba8954fbb62eeaa1b"
)

// rows are those of a data set and what results call them.
type rows struct {
	split *dataset.Split
	name  string
}

// rowsOf reads the data set of a cell, once.
//
// Errors: ErrAbsent, with where to get it; those of the rows.
func (o *Options) rowsOf(c Cell, known map[string]rows) (rows, error) {
	if c.Data == "" {
		return rows{o.Digits, o.Data}, nil
	}
	if r, ok := known[c.Data]; ok {
		return r, nil
	}
	s, ok := sets[c.Data]
	if !ok {
		return rows{}, fmt.Errorf("no data set is named %q", c.Data)
	}
	dir := filepath.Join(o.Datasets, c.Data)
	_, err := os.Stat(dir)
	if o.Datasets == "" || errors.Is(err, fs.ErrNotExist) {
		return rows{}, fmt.Errorf("%w: --datasets, or LAMINA_DATASETS, must be a folder with a folder %s, in it %s", ErrAbsent, c.Data, s.get)
	}
	if err != nil {
		return rows{}, err
	}
	split, err := s.read(dir)
	if err != nil {
		return rows{}, err
	}
	name, err := describe(split, "other rows in "+c.Data, s)
	if err == nil {
		known[c.Data] = rows{split, name}
	}
	return known[c.Data], err
}
