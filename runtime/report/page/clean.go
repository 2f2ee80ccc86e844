package page

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName = 1 << 12 // bytes of a name, a sentence or a cell
	maxText = 1 << 20 // bytes of a long text
)

// clean returns s without what could make it look like something else: control
// characters, marks that turn the direction of the text around it, bytes that are no
// UTF-8. A text that is too long is cut, and no line breaks before a per cent sign.
func clean(s string) string {
	space := func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' } // thin spaces stay
	return percentage.ReplaceAllString(strings.Join(strings.FieldsFunc(plain(s, maxName), space), " "), "$1\u00a0%")
}

var percentage = regexp.MustCompile(`([0-9]) %`)

// plain is clean of a text that keeps its lines and spaces.
func plain(s string, most int) string {
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0xfeff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\ufffd"))
}

func cleanAll(s []string) []string {
	out := make([]string, len(s))
	for i := range s {
		out[i] = clean(s[i])
	}
	return out
}
