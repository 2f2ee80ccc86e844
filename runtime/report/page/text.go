package page

// Text is a long text with lines of its own, such as a summary or a program.
type Text struct {
	Title  string
	Body   string
	Folded bool // shows its title until it is opened
}

type textView struct {
	ID, Title, Body string
	Folded          bool
}

func (t *Text) view(id string) (string, any, error) {
	return "text.html", textView{ID: id, Title: clean(t.Title), Body: plain(t.Body, maxText), Folded: t.Folded}, nil
}
