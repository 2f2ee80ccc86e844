package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
)

// The two forms of rows and codes.
const (
	jsonType = "application/json"
	rawType  = "application/octet-stream" // float32, little-endian, row after row
)

// readJSON reads {"rows": [[…], …]}. It reads one row at a time, so that a request
// of too many is refused before they are in memory.
func readJSON(body io.Reader, width, most int) (x []float32, rows int, err error) {
	d := json.NewDecoder(body)
	for _, want := range []json.Token{json.Delim('{'), "rows", json.Delim('[')} {
		if t, err := d.Token(); err != nil || t != want {
			return nil, 0, badJSON(err)
		}
	}
	var row []number
	for ; d.More(); rows++ {
		if rows == most {
			return nil, 0, tooMany(most)
		}
		row = row[:0]
		if err := d.Decode(&row); err != nil {
			return nil, 0, badJSON(err)
		}
		if len(row) != width {
			return nil, 0, fail(http.StatusBadRequest, "row %d has %d numbers, %d are wanted", rows, len(row), width)
		}
		for _, v := range row {
			x = append(x, float32(v))
		}
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if t, err := d.Token(); err != nil || t != want {
			return nil, 0, badJSON(err)
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, 0, badJSON(err)
	}
	if rows == 0 {
		return nil, 0, fail(http.StatusBadRequest, "there are no rows")
	}
	return x, rows, nil
}

// number is a float32 in JSON, and nothing else: no null, no text, nothing beyond
// its range.
type number float32

// UnmarshalJSON rounds once, from the digits to a float32.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(string(b), 32)
	if err != nil {
		return fmt.Errorf("%.40s is no float32", b)
	}
	*n = number(v)
	return nil
}

// badJSON is the error for a body that is not what readJSON reads, unless it is
// too large or cannot be read at all.
func badJSON(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	const form = `the body must be {"rows": [[numbers], …]} and nothing else`
	if err != nil && err != io.EOF {
		return fail(http.StatusBadRequest, form+": %w", err)
	}
	return fail(http.StatusBadRequest, form)
}

func tooMany(most int) error {
	return fail(http.StatusRequestEntityTooLarge, "more than %d rows; send them in several requests", most)
}

// readRaw reads rows of float32.
func readRaw(body io.Reader, width, most int) (x []float32, rows int, err error) {
	row := make([]byte, 4*width)
	for {
		switch _, err := io.ReadFull(body, row); {
		case err == io.EOF && rows > 0:
			return x, rows, nil
		case err == io.EOF:
			return nil, 0, fail(http.StatusBadRequest, "there are no rows")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, 0, fail(http.StatusBadRequest, "the body ends within row %d; a row is %d float32, %d bytes", rows, width, 4*width)
		case err != nil:
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return nil, 0, err
			}
			return nil, 0, fail(http.StatusBadRequest, "the body cannot be read: %w", err)
		}
		if rows == most {
			return nil, 0, tooMany(most)
		}
		for j := range width {
			f := math.Float32frombits(binary.LittleEndian.Uint32(row[4*j:]))
			if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
				return nil, 0, fail(http.StatusBadRequest, "row %d, number %d is %v, not finite", rows, j, f)
			}
			x = append(x, f)
		}
		rows++
	}
}

// writeJSON answers {"codes": [[…], …]}, each number in the fewest digits that
// give the same float32.
func writeJSON(w http.ResponseWriter, z []float32, width int) error {
	b := []byte(`{"codes":[`)
	for i, v := range z {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fail(http.StatusUnprocessableEntity, "the code of row %d is not finite, which JSON cannot say", i/width)
		}
		switch {
		case i == 0:
			b = append(b, '[')
		case i%width == 0:
			b = append(b, "],["...)
		default:
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
	}
	w.Header().Set("Content-Type", jsonType)
	w.Write(append(b, "]]}\n"...)) // a client that is gone cannot be told so
	return nil
}

func writeRaw(w http.ResponseWriter, z []float32) error {
	b := make([]byte, 0, 4*len(z))
	for _, v := range z {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	w.Header().Set("Content-Type", rawType)
	w.Write(b) // as above
	return nil
}
