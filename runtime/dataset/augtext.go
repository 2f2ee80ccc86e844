package dataset

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// ParseAugmentation reads the text form of an augmentation: settings with a comma between them, such as
// "shift=2,flip=h,jitter=0.2/0.2/0".
//
//	shift=2                 Shift(2)
//	crop=4                  Crop(4)
//	flip=h, v or hv         Flip
//	rotate=15               Rotate(15), degrees
//	scale=0.1               Scale(0.1)
//	jitter=0.2/0.2/0        ColorJitter(0.2, 0.2, 0)
//	noise=0.05              Noise(0.05)
//	erase=0.5               Erase(0.5)
//	mixup=0.4/t             Mixup(0.4, "t"); mixup=0.4/t+u mixes two columns, mixup=0.4 none
//	shape=1x28x28           Shape(1, 28, 28)
//	of=a+b                  Augment("a", "b")
//	apart, together         Apart(), Together()
//	timeshift=8             TimeShift(8), for signals
//	timemask=0.2            TimeMask(0.2)
//	gain=0.1                Gain(0.1)
//	hiss=0.05               Hiss(0.05)
//	of=a,shift=2;of=b,…     And, of other columns
//
// A name that is not made of letters, digits and _ . - is quoted as in Go. Errors: an unknown setting, one that comes twice, a
// value that it does not take.
func ParseAugmentation(text string) (*Augmentation, error) {
	pieces, err := unquoted(text, ';')
	if err != nil {
		return nil, fmt.Errorf("dataset: augmentation %s: %v", shown(text), err)
	}
	var all *Augmentation
	for i, piece := range pieces {
		a, err := parseAugmentation(piece)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			all = a
		} else if all = all.And(a); all.err != nil {
			return nil, fmt.Errorf("dataset: augmentation %s: %w", shown(text), bareRule(all.err))
		}
	}
	return all, nil
}

// parseAugmentation reads the text of one augmentation.
func parseAugmentation(text string) (*Augmentation, error) {
	wrong := func(format string, args ...any) (*Augmentation, error) {
		return nil, fmt.Errorf("dataset: augmentation %s: %s", shown(text), fmt.Sprintf(format, args...))
	}
	parts, err := unquoted(text, ',')
	if err != nil {
		return wrong("%v", err)
	}
	a, seen := Augment(), map[string]bool{}
	for _, part := range parts {
		name, value, has := strings.Cut(strings.TrimSpace(part), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if seen[name] {
			return wrong("%s comes twice", shown(name))
		}
		seen[name] = true
		if bare := name == string(apart) || name == string(together); bare == has {
			return wrong("%s is not a setting, which is NAME=VALUE, apart or together", shown(strings.TrimSpace(part)))
		}
		if err := a.parse(name, value); err != nil {
			return wrong("%v", err)
		}
	}
	if seen[string(apart)] && seen[string(together)] {
		return wrong("it cannot be apart and together")
	}
	return a, nil
}

// parse adds a setting to a, which is not shared yet.
func (a *Augmentation) parse(name, value string) error {
	var err error
	switch name {
	case string(apart), string(together):
		a.spread = spread(name)
		return nil
	case "of":
		if a.columns, err = parseNames(value); err != nil {
			return err
		}
		return bareRule(Augment(a.columns...).Err())
	case "shape":
		var d [3]int
		dims := strings.Split(value, "x")
		for i := range min(len(dims), 3) {
			if d[i], err = parseCount("shape", dims[i]); err != nil {
				return err
			}
		}
		if len(dims) != 3 {
			return fmt.Errorf("shape is CxHxW, such as 1x28x28, got %s", shown(value))
		}
		b := a.Shape(d[0], d[1], d[2])
		a.shape = b.shape
		return bareRule(b.Err())
	}
	var names []string
	for _, k := range kinds {
		if names = append(names, k.name); k.name != name {
			continue
		}
		c, err := k.parse(value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		a.put(c)
		return nil
	}
	return fmt.Errorf("there is no setting %s; settings are %s, shape, of, apart and together", shown(name), strings.Join(names, ", "))
}

// bareRule is the rule of a mistake, without the place where it was made: a text has none.
func bareRule(err error) error {
	var e *ir.Error
	if errors.As(err, &e) {
		return errors.New(e.Rule)
	}
	return err
}

// ruled is a change, or the rule that its settings break.
func ruled(c change, rule string) (change, error) {
	if rule != "" {
		return nil, fmt.Errorf("%s", rule)
	}
	return c, nil
}

// parsed reads the settings of a change that has one.
func parsed[N int | float64, C change](what string, parse func(what, s string) (N, error), make func(N) (C, string)) func(string) (change, error) {
	return func(s string) (change, error) {
		n, err := parse(what, s)
		if err != nil {
			return nil, err
		}
		c, rule := make(n)
		return ruled(c, rule)
	}
}

const mostShown = 80

// shown is a piece of a user's text for an error.
func shown(s string) string {
	if len(s) > mostShown {
		return strconv.Quote(s[:mostShown]) + "…"
	}
	return strconv.Quote(s)
}

func parseCount(what, s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s must be a whole number, got %s", what, shown(s))
	}
	return int(n), nil
}

func parseNumber(what, s string) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%s must be a number, got %s", what, shown(s))
	}
	return x, nil
}

func numberText(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// namesText joins names as parseNames reads them.
func namesText(names []string) string {
	var parts []string
	for _, n := range names {
		if plainName(n) {
			parts = append(parts, n)
		} else {
			parts = append(parts, strconv.Quote(n))
		}
	}
	return strings.Join(parts, "+")
}

func plainName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
	})
}

func parseNames(text string) ([]string, error) {
	names, err := unquoted(text, '+')
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		switch s, err := strconv.Unquote(n); {
		case err == nil && n[0] == '"':
			names[i] = s
		case !plainName(n):
			return nil, fmt.Errorf("%s is not a column's name: quote one that is not made of letters, digits and _ . -", shown(n))
		}
	}
	return names, nil
}

// unquoted cuts text at each sep that stands outside quotes.
func unquoted(text string, sep byte) ([]string, error) {
	var parts []string
	from, open := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case open && text[i] == '\\':
			i++
		case text[i] == '"':
			open = !open
		case text[i] == sep && !open:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	if open {
		return nil, fmt.Errorf("a quotation is not closed")
	}
	return append(parts, text[from:]), nil
}
