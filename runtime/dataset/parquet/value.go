package parquet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lamina-ml/lamina/internal/float16"
)

// kind is what the values of a column are.
type kind struct {
	physical parquet.Kind
	meaning  meaning
	unit     time.Duration // of a time
	scale    int           // of a decimal
}

type meaning uint8

const (
	plain meaning = iota // a number, a truth value or a text
	unsigned
	decimal
	day
	moment
	timeOfDay
	half
	uuid
)

// kindOf is the kind of a column of flat values, by its logical type or by what older files have instead.
func kindOf(t parquet.Type, e *format.SchemaElement) (kind, error) {
	k := kind{physical: t.Kind()}
	if l := e.LogicalType.Value; l != nil {
		switch v := l.(type) {
		case *format.DecimalType:
			k.meaning, k.scale = decimal, int(v.Scale)
		case *format.DateType:
			k.meaning = day
		case *format.TimeType:
			k.meaning, k.unit = timeOfDay, v.Unit.Value.Duration()
		case *format.TimestampType:
			k.meaning, k.unit = moment, v.Unit.Value.Duration()
		case *format.IntType:
			if !v.IsSigned {
				k.meaning = unsigned
			}
		case *format.Float16Type:
			k.meaning = half
		case *format.UUIDType:
			k.meaning = uuid
		case *format.StringType, *format.EnumType, *format.JsonType, *format.NullType:
		default:
			return k, fmt.Errorf("a value of type %s is none of a table; let the schema ignore the column", l)
		}
	} else if c, ok := e.ConvertedType.Get(); ok {
		switch c {
		case deprecated.Date:
			k.meaning = day
		case deprecated.TimeMillis:
			k.meaning, k.unit = timeOfDay, time.Millisecond
		case deprecated.TimeMicros:
			k.meaning, k.unit = timeOfDay, time.Microsecond
		case deprecated.TimestampMillis:
			k.meaning, k.unit = moment, time.Millisecond
		case deprecated.TimestampMicros:
			k.meaning, k.unit = moment, time.Microsecond
		case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			k.meaning = unsigned
		case deprecated.Decimal:
			scale, _ := e.Scale.Get()
			k.meaning, k.scale = decimal, int(scale)
		}
	} else if k.physical == parquet.Int96 {
		k.meaning = moment
	}
	if k.physical == parquet.FixedLenByteArray && k.meaning == plain {
		return k, fmt.Errorf("bytes (%s) are no value of a table; let the schema ignore the column", t)
	}
	switch {
	case k.meaning == half && (k.physical != parquet.FixedLenByteArray || t.Length() != 2),
		(k.meaning == day || k.meaning == unsigned || k.meaning == timeOfDay) && k.physical != parquet.Int32 && k.physical != parquet.Int64,
		k.meaning == moment && k.physical != parquet.Int64 && k.physical != parquet.Int96,
		k.meaning == decimal && (k.scale < 0 || k.scale > 1000 || k.physical == parquet.Boolean || k.physical == parquet.Float || k.physical == parquet.Double || k.physical == parquet.Int96):
		return k, fmt.Errorf("damaged: its values are %s, which is no %s", k.physical, t)
	}
	return k, nil
}

// text is a value as text, in memory that the next call overwrites; nil for no value.
func (c *column) text(v parquet.Value) ([]byte, error) {
	if v.IsNull() {
		return nil, nil
	}
	out, k := c.out[:0], c.kind
	if v.Kind() != k.physical {
		return nil, fmt.Errorf("damaged: a value is %s, not %s", v.Kind(), k.physical)
	}
	switch k.physical {
	case parquet.Boolean:
		out = strconv.AppendBool(out, v.Boolean())
	case parquet.Int32, parquet.Int64:
		out = k.integer(out, v)
	case parquet.Int96:
		w := v.Int96() // nanoseconds of the day and the Julian day (Spark and Impala)
		const epoch = 2440588
		nanos := int64(uint64(w[0]) | uint64(w[1])<<32)
		out = appendMoment(out, time.Unix((int64(w[2])-epoch)*24*3600, 0).UTC().Add(time.Duration(nanos)))
	case parquet.Float:
		if x := v.Float(); x == x {
			out = strconv.AppendFloat(out, float64(x), 'g', -1, 32)
		}
	case parquet.Double:
		if x := v.Double(); x == x {
			out = strconv.AppendFloat(out, x, 'g', -1, 64)
		}
	default:
		b := v.ByteArray()
		switch k.meaning {
		case half:
			if x := float16.Half(binary.LittleEndian.Uint16(b)); x == x {
				out = strconv.AppendFloat(out, float64(x), 'g', -1, 32)
			}
		case decimal:
			if len(b) > maxDecimal {
				return nil, fmt.Errorf("a decimal of %d bytes is too long", len(b))
			}
			out = appendDecimal(out, twosComplement(b), k.scale)
		case uuid:
			out = hex.AppendEncode(out, b)
		default:
			if len(b) > maxText {
				return nil, fmt.Errorf("a text has more than %d MiB", maxText>>20)
			}
			out = append(out, b...)
		}
	}
	if c.out = out; len(out) == 0 && (k.physical == parquet.Float || k.physical == parquet.Double || k.meaning == half) {
		return nil, nil // NaN
	}
	return out, nil
}

const (
	maxText    = 1 << 20
	maxDecimal = 64 // bytes
)

// integer appends what a whole number means.
func (k kind) integer(out []byte, v parquet.Value) []byte {
	n := int64(0)
	if k.physical == parquet.Int32 {
		n = int64(v.Int32())
	} else {
		n = v.Int64()
	}
	switch k.meaning {
	case unsigned:
		if k.physical == parquet.Int32 {
			return strconv.AppendUint(out, uint64(uint32(n)), 10)
		}
		return strconv.AppendUint(out, uint64(n), 10)
	case decimal:
		return appendDecimal(out, big.NewInt(n), k.scale)
	case day:
		return time.Unix(n*24*3600, 0).UTC().AppendFormat(out, time.DateOnly)
	case timeOfDay:
		return strconv.AppendFloat(out, float64(n)*k.unit.Seconds(), 'g', -1, 64)
	case moment:
		per := int64(time.Second / k.unit)
		seconds, rest := n/per, n%per
		return appendMoment(out, time.Unix(seconds, rest*int64(k.unit)).UTC())
	}
	return strconv.AppendInt(out, n, 10)
}

// appendMoment appends a date and a time of day as ISO 8601 has them.
func appendMoment(out []byte, t time.Time) []byte { return t.AppendFormat(out, time.RFC3339Nano) }

// twosComplement is a whole number of big-endian bytes.
func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// appendDecimal appends n/10^scale.
func appendDecimal(out []byte, n *big.Int, scale int) []byte {
	digits := n.String()
	if n.Sign() < 0 {
		out, digits = append(out, '-'), digits[1:]
	}
	if scale == 0 {
		return append(out, digits...)
	}
	for len(digits) <= scale {
		digits = "0" + digits
	}
	out = append(out, digits[:len(digits)-scale]...)
	return append(append(out, '.'), digits[len(digits)-scale:]...)
}
