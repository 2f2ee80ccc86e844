package main

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// byWritten reads a file of a table by a schema, which is a file too.
func byWritten(ctx context.Context, schema, path string) (*dataset.Table, error) {
	s, err := dataset.ReadSchema(schema)
	if err != nil {
		return nil, err
	}
	if tabular(path) {
		return bySchema(ctx, s, path)
	}
	return nil, fmt.Errorf("--data %s=%s: a schema reads .csv, .jsonl and .parquet files", schema, path)
}
