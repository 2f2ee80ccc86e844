package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Fact is one thing that decides the result of a training, in the words used when a
// refusal to resume reports that it has changed.
type Fact struct {
	Name   string `json:"name"`             // "Adam's rate", "encoder/dense1"
	Verb   Verb   `json:"verb,omitempty"`   // Is if empty
	Value  string `json:"value,omitempty"`  // "0.001", "100 units"
	SHA256 string `json:"sha256,omitempty"` // of values too long to be shown, such as rows, in hexadecimal
	Of     string `json:"of,omitempty"`     // another fact's name: if that one has changed, this one adds nothing
	Sum    bool   `json:"sum,omitempty"`    // it covers all facts before it, and is reported only if none of them has changed
}

// Verb stands between a fact's name and its value.
type Verb string

// The verbs of a Fact.
const (
	Is       Verb = "" // an option
	Are      Verb = "are"
	Has      Verb = "has"      // a part
	Computes Verb = "computes" // a part
)

// then is the verb in the past.
func (v Verb) then() string {
	return map[Verb]string{Is: "was", Are: "were", Has: "had", Computes: "computed"}[v]
}

func (v Verb) now() string {
	if v == Is {
		return "is"
	}
	return string(v)
}

func (v Verb) part() bool { return v == Has || v == Computes }

// Facts is everything that decides the result of a training. A fact is identified by its
// name and verb. Facts with default values are left out, so that a list can still be
// compared with an older one that lacks a kind of fact.
type Facts []Fact

// UnmarshalJSON reads the list.
func (l *Facts) UnmarshalJSON(b []byte) error {
	*l = nil
	if string(b) == "null" {
		return nil
	}
	return eachItem(b, "facts", maxFacts, func(f Fact) { *l = append(*l, f) })
}

// Add adds a fact unless the value is zero or empty, which is its default.
func (l *Facts) Add(name string, value any) {
	if v := reflect.ValueOf(value); !v.IsValid() || v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return
	}
	*l = append(*l, Fact{Name: name, Value: fmt.Sprint(value)})
}

// AddRows adds the rows of a source: their number and the hash of their content.
func (l *Facts) AddRows(name string, n int, sha256 string) {
	*l = append(*l, Fact{Name: name, Verb: Are, Value: fmt.Sprint(n), SHA256: sha256})
}

// Hash is the SHA-256 of the list in hexadecimal.
func (l Facts) Hash() string {
	raw, err := json.Marshal(l)
	if err != nil { // a list of texts has a JSON
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Value returns the value of the first fact with that name, or "" if there is none.
func (l Facts) Value(name string) string {
	for _, f := range l {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Without returns the list without the facts for which drop reports true.
func (l Facts) Without(drop func(Fact) bool) Facts {
	var out Facts
	for _, f := range l {
		if !drop(f) {
			out = append(out, f)
		}
	}
	return out
}

// mostTold is how many differences an error tells; the rest is counted.
const mostTold = 6

// Differ returns nil if the lists are the same, else an error that says in words what was
// and what is: "Adam's rate was 0.001, is 0.002; encoder/dense1 had 100
// units, has 90".
func (l Facts) Differ(now Facts) error {
	if l.Hash() == now.Hash() {
		return nil
	}
	type key struct {
		name string
		verb Verb
	}
	old, is := map[key]Fact{}, map[key]bool{}
	for _, f := range l {
		old[key{f.Name, f.Verb}] = f
	}
	for _, f := range now {
		is[key{f.Name, f.Verb}] = true
	}
	var gone []Fact
	part := false // of what a sum covers
	for _, f := range l {
		if f.Sum {
			part = len(gone) > 0
		}
		if !is[key{f.Name, f.Verb}] {
			gone = append(gone, f)
		}
	}
	var changed []Fact
	var told []string // of each changed one
	for _, f := range now {
		was, ok := old[key{f.Name, f.Verb}]
		say := ""
		switch {
		case f.Sum && (part || len(changed) > 0): // told by what it covers
			continue
		case !ok:
			say = f.isNew()
		case was.Value != f.Value && was.Value != "" && f.Value != "":
			say = was.became(f)
		case was.Value != f.Value || was.SHA256 != f.SHA256:
			say = f.isOther()
		default:
			continue
		}
		changed, told = append(changed, f), append(told, say)
	}
	for _, f := range gone {
		changed, told = append(changed, f), append(told, f.isGone())
	}
	var words []string
	for i, f := range changed {
		covered := false
		for j, g := range changed {
			covered = covered || i != j && f.Of != "" && g.Name == f.Of
		}
		if !covered {
			words = append(words, told[i])
		}
	}
	if len(words) == 0 {
		return errors.New("the same parts come in another order")
	}
	if n := len(words) - mostTold; n > 0 {
		words = append(words[:mostTold], fmt.Sprintf("and %d more", n))
	}
	return errors.New(strings.Join(words, "; "))
}

// became says that f turned into now.
func (f Fact) became(now Fact) string {
	to := now.Value
	if f.Verb == Has { // "had 100 units, has 90"
		_, a, _ := strings.Cut(f.Value, " ")
		n, b, ok := strings.Cut(to, " ")
		if ok && a == b {
			to = n
		}
	}
	return fmt.Sprintf("%s %s %s, %s %s", f.Name, f.Verb.then(), f.Value, f.Verb.now(), to)
}

func (f Fact) isNew() string {
	switch {
	case f.Value == "" || f.Verb.part():
		return f.Name + " is new"
	case f.Verb == Are:
		return fmt.Sprintf("%s are new, %s of them", f.Name, f.Value)
	}
	return fmt.Sprintf("%s was not set, is %s", f.Name, f.Value)
}

func (f Fact) isGone() string {
	switch {
	case f.Value == "" || f.Verb.part():
		return f.Name + " is gone"
	case f.Verb == Are:
		return f.Name + " are gone"
	}
	return fmt.Sprintf("%s was %s, is not set", f.Name, f.Value)
}

func (f Fact) isOther() string {
	s := f.Name + " is another one"
	switch f.Verb {
	case Are:
		s = f.Name + " are other ones"
	case Computes:
		s = f.Name + " computes something else"
	}
	if f.Value != "" {
		s += fmt.Sprintf(", though %s as before", f.Value)
	}
	return s
}
