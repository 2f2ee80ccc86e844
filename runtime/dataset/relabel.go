package dataset

import (
	"fmt"
	"slices"
)

// I64 returns a column of one integer a row, such as labels, in the order of the rows. Where the source knows the column, no row
// is read. Errors: that of the selection; there is no such column; those of the source.
func (s *Selection) I64(column string) ([]int64, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	v, _, err := s.integers(column)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return slices.Clone(v), nil
}
