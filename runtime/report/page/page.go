// Package page writes a report as one HTML file that needs nothing beside it: no script,
// and no font, style or picture from elsewhere. Charts are SVG made in Go. They scale with
// the window while their text keeps its size, show their values under the pointer and on
// keyboard focus by CSS alone, and have a table of the same numbers below them.
//
// The package knows nothing of what it draws. All text is escaped, what is not finite is
// left out of charts and said to be, and the same page gives the same bytes.
package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"strconv"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// Page is a report. Only the title is required.
type Page struct {
	Title    string
	Verdict  []string // what the reader should know first, in up to three sentences
	Facts    []Fact   // such as the machine, the seeds, the seconds and the memory
	Sections []Section
	Foot     string // the last line, such as what wrote the page; none
}

// Fact is a name with what it has.
type Fact struct{ Name, Value string }

// Section is a part of the page with a heading. Text has one paragraph per element and
// stands above the blocks.
type Section struct {
	Title  string
	Text   []string
	Blocks []Block
}

// Block is something that a section shows: *[Lines], *[Bars], *[Table], *[Confusion],
// *[Pictures], *[Scatter] or *[Text].
type Block interface {
	// view returns the template that shows the block and what that is given. id is unique
	// within the page and a valid HTML id.
	view(id string) (template string, data any, err error)
}

const maxVerdict = 3

//go:embed assets
var assets embed.FS

var templates = template.Must(template.New("page").ParseFS(assets, "assets/*.html"))

// Write writes the page to path, whole or not at all.
//
// Errors: those of Render; a file that cannot be written.
func (p *Page) Write(path string) error {
	b, err := p.bytes()
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, b)
}

// Render writes the page to w.
//
// Errors: no title; more than three sentences of verdict; a nil block; a confusion table
// that is not square; a picture that is too large; an error of w.
func (p *Page) Render(w io.Writer) error {
	b, err := p.bytes()
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

type sectionView struct {
	ID, Title string
	Text      []string
	Blocks    []template.HTML
}

func (p *Page) bytes() ([]byte, error) {
	if clean(p.Title) == "" {
		return nil, errors.New("page: the page needs a title")
	}
	if len(p.Verdict) > maxVerdict {
		return nil, fmt.Errorf("page: a verdict has up to %d sentences, got %d: put the rest into a section", maxVerdict, len(p.Verdict))
	}
	style, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return nil, err
	}
	view := struct {
		Title, Foot string
		Verdict     []string
		Facts       []Fact
		Style       template.CSS
		Marks       []mark
		Sections    []sectionView
	}{Title: clean(p.Title), Foot: clean(p.Foot), Verdict: cleanAll(p.Verdict), Style: template.CSS(style), Marks: marks}
	for _, f := range p.Facts {
		view.Facts = append(view.Facts, Fact{clean(f.Name), clean(f.Value)})
	}
	for i, s := range p.Sections {
		v := sectionView{ID: "s" + strconv.Itoa(i+1), Title: clean(s.Title), Text: cleanAll(s.Text)}
		for j, b := range s.Blocks {
			html, err := render(b, v.ID+"b"+strconv.Itoa(j+1))
			if err != nil {
				return nil, fmt.Errorf("page: section %q: block %d: %w", v.Title, j+1, err)
			}
			v.Blocks = append(v.Blocks, html)
		}
		view.Sections = append(view.Sections, v)
	}
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, "page.html", view); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return out.Bytes(), nil
}

func render(b Block, id string) (template.HTML, error) {
	if v := reflect.ValueOf(b); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return "", errors.New("it is nil")
	}
	name, data, err := b.view(id)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		return "", err
	}
	return template.HTML(out.String()), nil // made by a template, so it is escaped
}
