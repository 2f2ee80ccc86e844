package engine

import (
	"encoding/json"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Record holds the facts about a training that ship with a trained function, as plain
// data for JSON. It holds no path, user, host or time of day.
type Record struct {
	Seed       uint64            `json:"seed"`
	DataHash   string            `json:"data_hash,omitempty"`  // of the training rows
	Rows       int               `json:"rows,omitempty"`       // of the training data
	Columns    map[string]Range  `json:"columns,omitempty"`    // by name, over the training rows
	Schema     *dataset.Schema   `json:"schema,omitempty"`     // that the training rows were read by, if they are those of a table
	Classes    []string          `json:"classes,omitempty"`    // names of the labels' values, in order
	Program    string            `json:"program,omitempty"`    // the phases as a table
	Metrics    Metrics           `json:"metrics,omitempty"`    // of the parameters that ship
	Estimate   *Estimate         `json:"estimate,omitempty"`   // of how good it is on other rows, if that was measured
	Phases     []Phase           `json:"phases,omitempty"`     // in order
	SpecText   string            `json:"spec,omitempty"`       // the model's text form
	ModelHash  string            `json:"model_hash,omitempty"` // of the text form without positions
	Kernels    string            `json:"kernels,omitempty"`    // kernel set that computed the bits
	Averaged   bool              `json:"averaged,omitempty"`   // what ships are moving averages of the parameters
	Folded     bool              `json:"folded,omitempty"`     // what ships has statistics of batches in its weights, where that goes
	Precision  *Precision        `json:"precision,omitempty"`  // of the last training's products, if not FP32
	Ships      string            `json:"ships,omitempty"`      // text form of the function, as it was declared
	Executable string            `json:"executable,omitempty"` // SHA-256 of the program, if a recipe lacks what its Go code did
	Versions   map[string]string `json:"versions,omitempty"`   // of what took part
}

// Range is the least and the greatest value of each feature of a column. A list of one
// number stands for all features if they are alike.
type Range struct {
	Min Numbers `json:"min"`
	Max Numbers `json:"max"`
}

// Phase is one phase of a training.
type Phase struct {
	Name      string   `json:"name"` // of the model
	Epochs    int      `json:"epochs"`
	Updates   int64    `json:"updates,omitempty"`
	Batch     int      `json:"batch,omitempty"`
	Rows      int      `json:"rows,omitempty"`      // trained on
	Chosen    []int    `json:"chosen,omitempty"`    // numbers of rows that were chosen from a table, such as a draw of few labels
	DataHash  string   `json:"data_hash,omitempty"` // of them
	Synthetic float64  `json:"synthetic,omitempty"` // share of them that a generator made, from 0 to 1; of a mix in each batch
	Seed      uint64   `json:"seed,omitempty"`
	Layers    []string `json:"layers,omitempty"` // that were trained
	Frozen    []string `json:"frozen,omitempty"` // patterns of parameters that were not trained
	Noise     string   `json:"noise,omitempty"`
	Augment   string   `json:"augment,omitempty"`   // text form of what changed the pictures of the updates
	Optimizer any      `json:"optimizer,omitempty"` // as the optimizer describes itself
	Precision string   `json:"precision,omitempty"` // of products, if not FP32
	Average   float64  `json:"average,omitempty"`   // momentum if the parameters are moving averages, 0 if they are not
	Metrics   Metrics  `json:"metrics,omitempty"`
	BestBy    string   `json:"best_by,omitempty"` // what the best epoch was chosen by, if not the validation loss,
	Best      int      `json:"best,omitempty"`    // and its number, from 1; its weights are those of the phase unless KeepLast was set
	Start     []Start  `json:"start,omitempty"`   // where parameters came from, if not all from initializers
	Recipe    *Recipe  `json:"recipe,omitempty"`  // what trains it again; older records have none

	Probe     string             `json:"probe,omitempty"`     // what was measured instead of trained
	Confusion map[string][][]int `json:"confusion,omitempty"` // of a probe, by its name: rows by true, then by predicted class
}

// Start describes parameters that a phase was given instead of initializing them.
type Start struct {
	Pattern string   `json:"pattern"`          // that names them
	Loaded  []string `json:"loaded"`           // their names
	Hash    string   `json:"hash"`             // SHA-256 of names, shapes and bits
	Phases  []Phase  `json:"phases,omitempty"` // that trained them, where that is known
}

// Recipe holds what decides the bits of a phase: together with the rows, everything that
// is needed to train it again.
type Recipe struct {
	Model    string          `json:"model,omitempty"` // text form with initializers, which spec.Parse reads
	Settings json.RawMessage `json:"settings"`        // of train.Options, the settings that decide
	Data     Rows            `json:"data"`            // rows that the phase was given
	Valid    *Rows           `json:"valid,omitempty"` // rows by which the best epoch was chosen
	Judge    *Judge          `json:"judge,omitempty"` // metric by which it was, if not a loss
	Below    string          `json:"below,omitempty"` // text form of what the rows went through first
	Column   string          `json:"column,omitempty"`
	Trail    []byte          `json:"trail,omitempty"` // of the losses: see train.Trail
	Lacks    []string        `json:"lacks,omitempty"` // what no recipe can express: each a sentence
}

// Judge is a metric by which the best epoch was chosen.
type Judge struct {
	Name   string  `json:"name"`
	Text   string  `json:"text,omitempty"`   // text form of the value and, if it has one, of its weight,
	Values Numbers `json:"values,omitempty"` // or, of a metric that Go code computes, what it was after each epoch
}

// Epochs returns the number of epochs that the settings allow, or 0 if they do not say.
func (r *Recipe) Epochs() int {
	var s struct{ Epochs int }
	if json.Unmarshal(r.Settings, &s) != nil {
		return 0
	}
	return s.Epochs
}
