package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// byWritten reads a .csv or .jsonl file by a schema, which is a file too.
func byWritten(schema, path string) (*dataset.Table, error) {
	s, err := dataset.ReadSchema(schema)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(strings.TrimSuffix(path, ".gz")) {
	case ".csv", ".jsonl":
		return bySchema(context.Background(), s, path)
	}
	return nil, fmt.Errorf("--data %s=%s: a schema reads .csv and .jsonl files", schema, path)
}
