package page

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/png"
	"strings"
)

// Pictures is a grid of pictures, which are kept within the page.
type Pictures struct {
	Title  string
	Note   string
	Groups []Group
	Small  bool // takes half the width where there is room for two
}

// Group is pictures that belong to each other, such as one and what was made of it. They
// stand below each other.
type Group struct {
	Name     string // below the group; none
	Pictures []Picture
}

// Picture is one of a group. Pictures of few pixels are enlarged without smoothing.
type Picture struct {
	Says  string // what is to be seen, for readers who do not see it
	Image image.Image
}

// Single returns a group of one picture.
func Single(says string, m image.Image) Group {
	return Group{Pictures: []Picture{{Says: says, Image: m}}}
}

const (
	maxSide     = 4096
	maxPixels   = 1 << 25 // of all pictures of a block
	maxPictures = 1024
)

type picturesView struct {
	ID, Title, Note string
	Groups          []groupView
	Small           bool
}

type groupView struct {
	Name     string
	Pictures []pictureView
}

type pictureView struct {
	Says          string
	URL           template.URL
	Width, Height int
}

func (p *Pictures) view(id string) (string, any, error) {
	v := picturesView{ID: id, Title: clean(p.Title), Note: clean(p.Note), Small: p.Small}
	pixels, pictures := 0, 0
	for _, g := range p.Groups {
		out := groupView{Name: clean(g.Name)}
		for _, x := range g.Pictures {
			if x.Image == nil {
				return "", nil, fmt.Errorf("pictures %q: one of group %q is nil", v.Title, out.Name)
			}
			size := x.Image.Bounds().Size()
			if size.X < 1 || size.Y < 1 || size.X > maxSide || size.Y > maxSide {
				return "", nil, fmt.Errorf("pictures %q: one is %d x %d pixels, want from 1 to %d each way: make it smaller first", v.Title, size.X, size.Y, maxSide)
			}
			pixels += size.X * size.Y
			if pictures++; pixels > maxPixels || pictures > maxPictures {
				return "", nil, fmt.Errorf("pictures %q: a grid takes up to %d pictures and %d pixels: show fewer or smaller ones", v.Title, maxPictures, maxPixels)
			}
			url, err := dataURL(x.Image)
			if err != nil {
				return "", nil, fmt.Errorf("pictures %q: %w", v.Title, err)
			}
			w, h := shown(size)
			out.Pictures = append(out.Pictures, pictureView{Says: clean(x.Says), URL: url, Width: w, Height: h})
		}
		v.Groups = append(v.Groups, out)
	}
	return "pictures.html", v, nil
}

// shown is the size of a picture on the page: enlarged by a whole number up to about 64
// pixels.
func shown(size image.Point) (w, h int) {
	times := max(1, 64/max(size.X, size.Y))
	return size.X * times, size.Y * times
}

func dataURL(m image.Image) (template.URL, error) {
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(&b, m); err != nil {
		return "", err
	}
	var s strings.Builder
	s.WriteString("data:image/png;base64,")
	s.WriteString(base64.StdEncoding.EncodeToString(b.Bytes()))
	return template.URL(s.String()), nil
}
