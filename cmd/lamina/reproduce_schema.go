package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// bySchema reads a .csv or .jsonl file by a schema, which is a file too.
func bySchema(schema, path string) (*dataset.Table, error) {
	s, err := dataset.ReadSchema(schema)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(strings.TrimSuffix(path, ".gz")) {
	case ".csv":
		return s.CSV(path)
	case ".jsonl":
		return s.JSONL(path)
	}
	return nil, fmt.Errorf("--data %s=%s: a schema reads .csv and .jsonl files", schema, path)
}
