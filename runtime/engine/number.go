package engine

import (
	"encoding/json"
	"fmt"
	"math"
)

// Metrics are numbers by name. JSON cannot express a number that is not finite; here it is
// "NaN", "Infinity" or "-Infinity", as in the JSON of protocol buffers.
type Metrics map[string]float64

// Numbers is a list of numbers, encoded in JSON like [Metrics].
type Numbers []float64

// MarshalJSON writes the numbers in the order of their names.
func (m Metrics) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("null"), nil
	}
	out := make(map[string]number, len(m))
	for k, v := range m {
		out[k] = number(v)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Metrics) UnmarshalJSON(b []byte) error {
	var in map[string]number
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*m = nil
	if in != nil {
		*m = make(Metrics, len(in))
	}
	for k, v := range in {
		(*m)[k] = float64(v)
	}
	return nil
}

// MarshalJSON writes the list.
func (l Numbers) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("null"), nil
	}
	b := []byte{'['}
	for i, v := range l {
		if i > 0 {
			b = append(b, ',')
		}
		one, err := number(v).MarshalJSON()
		if err != nil {
			return nil, err
		}
		b = append(b, one...)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *Numbers) UnmarshalJSON(b []byte) error {
	var in []number
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*l = nil
	if in != nil {
		*l = make(Numbers, len(in))
	}
	for i, v := range in {
		(*l)[i] = float64(v)
	}
	return nil
}

// number is one that JSON takes whatever it is.
type number float64

// words are those for numbers that are not finite.
var words = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

func (n number) MarshalJSON() ([]byte, error) {
	switch v := float64(n); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(v)
	}
}

func (n *number) UnmarshalJSON(b []byte) error {
	var word string
	if json.Unmarshal(b, &word) != nil {
		return json.Unmarshal(b, (*float64)(n))
	}
	v, ok := words[word]
	if !ok && string(b) != "null" {
		return fmt.Errorf("%q is not a number", word)
	}
	*n = number(v)
	return nil
}
