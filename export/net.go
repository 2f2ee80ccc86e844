package onnxexport

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/lamina-ml/lamina/runtime/engine"
)

// ExportNet is Export for a trained function, with the record of its training in
// metadata_props. Its errors are those of Export and of the Net itself.
func ExportNet(net *engine.Net, o Options) ([]byte, error) {
	m, err := BuildNet(net, o)
	if err != nil {
		return nil, err
	}
	return m.Bytes, nil
}

// BuildNet is like ExportNet but also says where the graph's values are in the file.
func BuildNet(net *engine.Net, o Options) (*Model, error) {
	if net == nil {
		return nil, errors.New("export: there is no trained function")
	}
	if err := net.Err(); err != nil {
		return nil, err
	}
	o.Metadata = provenance(net.Record(), o.Metadata)
	return Build(net.Graph(), net.Params(), o)
}

// provenance is what metadata_props say of a training; what the caller gives
// goes before.
func provenance(r engine.Record, given map[string]string) map[string]string {
	m := map[string]string{
		"seed":       strconv.FormatUint(r.Seed, 10),
		"data_hash":  r.DataHash,
		"model_hash": r.ModelHash,
		"kernels":    r.Kernels,
	}
	if r.Rows > 0 {
		m["rows"] = strconv.Itoa(r.Rows)
	}
	if len(r.Classes) > 0 {
		if b, err := json.Marshal(r.Classes); err == nil {
			m["classes"] = string(b)
		}
	}
	if s := Columns(r); s != "" {
		m["columns"] = s
	}
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		m["version."+name] = r.Versions[name]
	}
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	maps.Copy(m, given)
	return m
}
