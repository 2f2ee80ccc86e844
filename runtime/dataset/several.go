package dataset

import (
	"fmt"
	"sync"
)

// several returns a source that several goroutines may read at once: src itself, a table's rows, or a source that gives one
// row at a time, in turn.
func several(src Source) BatchSource {
	switch s := src.(type) {
	case *Table:
		return &tableRows{Table: s}
	case BatchSource:
		return s
	}
	return &inTurn{Source: src}
}

// inTurn lets goroutines wait for each other.
type inTurn struct {
	Source
	mu sync.Mutex
}

func (s *inTurn) Row(i int, row Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Source.Row(i, row)
}

func (s *inTurn) Rows(index []int, dst Rows) error {
	at := 0
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("row %d: %v", at, p)) // for whoever reads, who makes an error of it
		}
	}()
	for k, i := range index {
		at = i
		if err := s.Row(i, dst.Row(k)); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		if err := dst.Err(); err != nil {
			return err
		}
	}
	return nil
}

// stock keeps what goroutines need while they read, as much as they ever needed at once. A sync.Pool gives things up, so that
// some batches would allocate.
type stock[T any] struct {
	mu   sync.Mutex
	free []T
}

// take returns the zero value where there is nothing.
func (s *stock[T]) take() (x T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		x, s.free = s.free[n-1], s.free[:n-1]
	}
	return x
}

func (s *stock[T]) give(x T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, x)
}

// indexes are lists of row numbers.
var indexes stock[[]int]

// mostKept bounds the lists that are kept.
const mostKept = 1 << 14

// renumbered calls f with the numbers that those of index become.
func renumbered(index []int, to func(i int) int, f func([]int) error) error {
	rows := indexes.take()[:0]
	for _, i := range index {
		rows = append(rows, to(i))
	}
	err := f(rows)
	if cap(rows) <= mostKept {
		indexes.give(rows)
	}
	return err
}

// checkIndex refuses rows that a source of n does not have, and as many places as are not theirs.
func checkIndex(index []int, n int, dst Rows) error {
	if dst.Len() != len(index) {
		return fmt.Errorf("%d rows are asked for, and there are places for %d", len(index), dst.Len())
	}
	for _, i := range index {
		if i < 0 || i >= n {
			return fmt.Errorf("there is no row %d of %d", i, n)
		}
	}
	return nil
}

// oneOf writes row i of a source that gives many at once.
func oneOf(src BatchSource, i int, row Row) error {
	index, cols := []int{i}, makeColumns(src.Columns(), 1)
	b := newBlock(cols, 1)
	b.begin(index, cols, 0)
	if err := src.Rows(index, Rows{b}); err != nil {
		return err
	}
	if err := b.end(); err != nil {
		return err
	}
	for _, c := range cols {
		row.take(c)
	}
	return row.Err()
}

// memory is a column that the rows go to, whoever writes it; nil if there is none.
func (b *block) memory(name string) *column {
	for j := range b.cols {
		if b.cols[j].Name == name {
			return &b.cols[j]
		}
	}
	return nil
}
