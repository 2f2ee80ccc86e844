package ir

import (
	"reflect"
	"strconv"
)

func (p *parser) op() (Op, error) {
	if p.tok.kind != 'w' {
		return nil, p.errorf("expected an op, got %s", p.tok.describe())
	}
	proto, ok := p.ops(p.tok.text)
	if !ok {
		return nil, p.errorf("unknown op %q", p.tok.text)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	if !p.is("<") {
		return proto, nil
	}
	op := reflect.New(reflect.TypeOf(proto)).Elem()
	op.Set(reflect.ValueOf(proto))
	err := p.list("<", ">", func() error {
		name, err := p.name()
		if err != nil {
			return err
		}
		for i := 0; i < op.NumField(); i++ {
			if op.Type().Field(i).Tag.Get("attr") == name {
				if err := p.expect("="); err != nil {
					return err
				}
				return p.attr(op.Field(i))
			}
		}
		return p.errorf("%s has no attribute %q", proto.Name(), name)
	})
	if err != nil {
		return nil, err
	}
	return op.Interface().(Op), nil
}

func (p *parser) attr(f reflect.Value) error {
	switch f.Interface().(type) {
	case Dims:
		s, err := p.shape()
		if err != nil {
			return err
		}
		f.Set(reflect.ValueOf(MakeDims(s)))
		return nil
	case Axes:
		return p.axes(f)
	case Dim:
		if n, err := strconv.Atoi(p.tok.text); err == nil && p.tok.kind == 'w' && strconv.Itoa(n) == p.tok.text {
			f.Set(reflect.ValueOf(Fixed(n)))
			return p.next()
		}
		d, err := p.dim()
		if err != nil {
			return err
		}
		f.Set(reflect.ValueOf(d))
		return nil
	case string:
		if p.tok.kind != 's' {
			return p.errorf("expected a quoted string, got %s", p.tok.describe())
		}
		f.SetString(p.tok.text)
		return p.next()
	}
	if p.tok.kind != 'w' {
		return p.errorf("expected a value, got %s", p.tok.describe())
	}
	var err error
	switch {
	case f.Type() == reflect.TypeOf(DType(0)):
		d := ParseDType(p.tok.text)
		if d == Invalid && p.tok.text != Invalid.String() {
			return p.errorf("expected a dtype, got %q", p.tok.text)
		}
		f.Set(reflect.ValueOf(d))
	case f.CanInt():
		var x int64
		if x, err = strconv.ParseInt(p.tok.text, 10, 64); err == nil {
			f.SetInt(x)
		}
	case f.CanUint():
		var x uint64
		if x, err = strconv.ParseUint(p.tok.text, 10, f.Type().Bits()); err == nil {
			f.SetUint(x)
		}
	case f.CanFloat():
		var x float64
		if x, err = strconv.ParseFloat(p.tok.text, 64); err == nil {
			f.SetFloat(x)
		}
	case f.Kind() == reflect.Bool:
		var x bool
		if x, err = strconv.ParseBool(p.tok.text); err == nil {
			f.SetBool(x)
		}
	default:
		return p.errorf("attributes of type %s have no text form", f.Type())
	}
	if err != nil {
		return p.errorf("expected a value of type %s, got %q", f.Type(), p.tok.text)
	}
	return p.next()
}

func (p *parser) axes(f reflect.Value) error {
	if err := p.expect("["); err != nil {
		return err
	}
	var axes []int
	for !p.is("]") {
		a, err := strconv.Atoi(p.tok.text)
		if p.tok.kind != 'w' || err != nil {
			return p.errorf("expected an axis, got %s", p.tok.describe())
		}
		if axes = append(axes, a); len(axes) > MaxRank {
			return p.errorf("more than %d axes", MaxRank)
		}
		if err := p.next(); err != nil {
			return err
		}
	}
	f.Set(reflect.ValueOf(MakeAxes(axes...)))
	return p.next()
}
