package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// bundleReport is what lies beside a bundle's model. The records are passed on
// as they are: inspect reads bundles of every format version.
type bundleReport struct {
	Files        []fileReport   `json:"files"`
	Verification map[string]any `json:"verification,omitempty"`
	Training     map[string]any `json:"training,omitempty"`
}

type fileReport struct {
	Name  string `json:"name"` // relative, with slashes
	Bytes int64  `json:"bytes"`
}

// maxFiles bounds what is listed of a folder that is no bundle of ours.
const maxFiles = 10_000

func inspectBundle(dir string) (*inspection, error) {
	path, err := command.ModelPath(dir)
	if err != nil {
		return nil, err
	}
	f, err := onnxfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &inspection{Path: dir, Kind: "bundle", Model: reportModel(f.Model), Bundle: &bundleReport{Files: []fileReport{}}}
	r.Model.beside(f) // its files are among the folder's
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if len(r.Bundle.Files) == maxFiles {
			return fmt.Errorf("%s: not a bundle: it has more than %d files", dir, maxFiles)
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		r.Bundle.Files = append(r.Bundle.Files, fileReport{filepath.ToSlash(name), fi.Size()})
		r.Bytes += fi.Size()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.Bundle.Verification, err = readRecord(filepath.Join(dir, "verification.json")); err != nil {
		return nil, err
	}
	if r.Bundle.Training, err = readRecord(filepath.Join(dir, "training.json")); err != nil {
		return nil, err
	}
	return r, nil
}

// readRecord reads a JSON object; a file that is missing is none.
func readRecord(path string) (map[string]any, error) {
	b, err := onnxfile.Read(path, maxRecord)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber() // a seed has 64 bits
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func (r *bundleReport) print(w io.Writer) {
	row(w, "files", "%d", len(r.Files))
	for i, f := range r.Files {
		if i == maxLines {
			fmt.Fprintf(w, "    … and %d more; --json has all\n", len(r.Files)-i)
			break
		}
		fmt.Fprintf(w, "    %s\t%s\n", command.Clean(f.Name), size(f.Bytes))
	}
	printRecord(w, "verification", r.Verification)
	printRecord(w, "training", r.Training)
}

// printRecord prints what fits one line each: --json has the rest.
func printRecord(w io.Writer, key string, record map[string]any) {
	if record == nil {
		row(w, key, "none")
		return
	}
	fmt.Fprintf(w, "  %s\n", key)
	for i, k := range slices.Sorted(maps.Keys(record)) {
		if i == maxLines {
			return
		}
		switch v := record[k].(type) {
		case string:
			if !strings.Contains(v, "\n") {
				fmt.Fprintf(w, "    %s\t%s\n", command.Clean(k), command.Clean(v))
			}
		case []any: // names of classes
			if list := words(v); list != "" {
				fmt.Fprintf(w, "    %s\t%s\n", command.Clean(k), command.Clean(list))
			}
		case map[string]any: // the precision, the rest being a table
			if k == "schema" {
				printSchema(w, v)
			}
			if p, ok := v["products"].(string); ok {
				fmt.Fprintf(w, "    %s\t%s\n", command.Clean(k), command.Clean(p))
			}
		case json.Number, bool:
			fmt.Fprintf(w, "    %s\t%v\n", command.Clean(k), v)
		}
	}
}

// printSchema prints the columns of a table with their kinds, units and the first of their values.
func printSchema(w io.Writer, record map[string]any) {
	s, err := schemaIn(record)
	if err != nil {
		fmt.Fprintf(w, "    schema\tcannot be read: %s\n", command.Clean(err.Error()))
		return
	}
	fmt.Fprintf(w, "    schema\t%s\n", plainly(len(s.Fields), "field"))
	i := 0
	for line := range strings.Lines(s.String()) {
		if i++; i > maxLines {
			fmt.Fprintf(w, "      … and %d more; --json has all\n", len(s.Fields)-maxLines)
			return
		}
		fmt.Fprintf(w, "      %s\n", command.Clean(strings.TrimSuffix(line, "\n")))
	}
}

// schemaIn is the schema of a record.
func schemaIn(record map[string]any) (*dataset.Schema, error) {
	b, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	s := new(dataset.Schema)
	return s, json.Unmarshal(b, s)
}

// words joins a list of strings, "" if it is none.
func words(list []any) string {
	var s []string
	for _, x := range list {
		w, ok := x.(string)
		if !ok {
			return ""
		}
		s = append(s, w)
	}
	return strings.Join(s, ", ")
}
