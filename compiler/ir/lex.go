package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// token kinds: a word, a quoted string, or one punctuation character ("=>" too).
type token struct {
	kind byte // 'w', 's', 'p', 0 at the end
	text string
	line int
	col  int
	at   int // where it begins
}

type lexer struct {
	src        string
	at         int
	line, bol  int
	tok        token
	comment    string // text behind # on the line just left, for the node before it
	commentRow int
}

func (l *lexer) errorf(format string, a ...any) error {
	return fmt.Errorf("%d:%d: %s", l.tok.line, l.tok.col, fmt.Sprintf(format, a...))
}

// next reads the next token into l.tok.
func (l *lexer) next() error {
	for l.at < len(l.src) {
		c := l.src[l.at]
		switch {
		case c == '\n':
			l.at++
			l.line++
			l.bol = l.at
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case c == '#':
			end := strings.IndexByte(l.src[l.at:], '\n')
			if end < 0 {
				end = len(l.src) - l.at
			}
			l.comment, l.commentRow = strings.TrimSpace(l.src[l.at+1:l.at+end]), l.line
			l.at += end
		default:
			return l.scan(c)
		}
	}
	l.tok = token{line: l.line + 1, col: l.at - l.bol + 1, at: l.at}
	return nil
}

func (l *lexer) scan(c byte) error {
	l.tok = token{line: l.line + 1, col: l.at - l.bol + 1, at: l.at}
	start := l.at
	switch {
	case c == '"':
		q, err := strconv.QuotedPrefix(l.src[l.at:])
		if err != nil {
			return l.errorf("a quoted string does not end")
		}
		s, err := strconv.Unquote(q)
		if err != nil {
			return l.errorf("a quoted string is malformed: %s", q)
		}
		l.at += len(q)
		l.line += strings.Count(q, "\n")
		l.tok.kind, l.tok.text = 's', s
	case isWord(c):
		for l.at < len(l.src) && isWord(l.src[l.at]) {
			l.at++
		}
		l.tok.kind, l.tok.text = 'w', l.src[start:l.at]
	case strings.HasPrefix(l.src[l.at:], "=>"):
		l.at += 2
		l.tok.kind, l.tok.text = 'p', "=>"
	case strings.IndexByte("()[]{}<>=,", c) >= 0:
		l.at++
		l.tok.kind, l.tok.text = 'p', l.src[start:l.at]
	default:
		return l.errorf("character %q has no meaning here", c)
	}
	return nil
}

// word takes the text from the current token up to one of the characters in end.
func (l *lexer) word(end string) string {
	text := l.src[l.tok.at:]
	if i := strings.IndexAny(text, end); i >= 0 {
		text = text[:i]
	}
	l.at = l.tok.at + len(text)
	return text
}
