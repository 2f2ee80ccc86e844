package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pictureFile reports whether a file is read by its name, and refuses the formats that are not.
func pictureFile(name string) (bool, error) {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".png", ".jpg", ".jpeg":
		return true, nil
	case ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".ppm", ".pgm":
		return false, fmt.Errorf("%s: pictures are read as PNG and JPEG, not %s; convert it", name, ext)
	}
	return false, nil
}

// imageNames are the pictures below a folder, by names with slashes from there on.
type imageNames struct {
	names   []string
	folders []string // directly in it, also without pictures
	others  []string // files that are no pictures
}

// listImages lists the pictures of a folder. Symbolic links are followed, but no folder is read twice, so that the
// listing ends. What begins with a dot is hidden.
func listImages(dir string) (*imageNames, error) {
	l, seen := &imageNames{}, map[string]string{}
	if err := l.folder(dir, "", seen); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	slices.Sort(l.folders)
	return l, nil
}

func (l *imageNames) folder(dir, prefix string, seen map[string]string) error {
	path := filepath.Join(dir, filepath.FromSlash(prefix))
	real, err := filepath.Abs(path)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return err
	}
	if was, ok := seen[real]; ok {
		return fmt.Errorf("%s: it is %s once more, by a symbolic link; a folder is read once", path, was)
	}
	seen[real] = path
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := prefix + e.Name()
		folder := e.IsDir()
		if !folder && e.Type()&os.ModeSymlink != 0 {
			st, err := os.Stat(filepath.Join(path, e.Name()))
			if err != nil {
				return err
			}
			folder = st.IsDir()
		}
		if folder {
			if prefix == "" {
				l.folders = append(l.folders, e.Name())
			}
			if err := l.folder(dir, name+"/", seen); err != nil {
				return err
			}
			continue
		}
		switch ok, err := pictureFile(e.Name()); {
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		case ok:
			l.names = append(l.names, name)
		default:
			l.others = append(l.others, name)
		}
	}
	return nil
}

// arrange puts the pictures in order, by class and name, and returns the class of each: the folder that it is in. There
// are no classes if pictures are wanted without labels, or lie in the folder itself.
func (l *imageNames) arrange(o ImageOptions) (classes []string, labels []int32, err error) {
	slices.Sort(l.names)
	var loose string // a picture that is in no folder
	count := make(map[string]int, len(l.folders))
	for _, name := range l.names {
		class, _, in := strings.Cut(name, "/")
		if in {
			count[class]++
		} else if loose == "" {
			loose = name
		}
	}
	switch {
	case len(l.names) == 0 && len(l.others) > 0:
		return nil, nil, fmt.Errorf("%w: no .png, .jpg or .jpeg among its %d files", ErrEmpty, len(l.others))
	case len(l.names) == 0:
		return nil, nil, fmt.Errorf("%w: there are no pictures in it", ErrEmpty)
	case o.Unlabelled && o.Classes != nil:
		return nil, nil, errors.New("ImageOptions has both Classes and Unlabelled")
	case o.Unlabelled:
		return nil, nil, nil
	case loose != "" && len(count) > 0:
		return nil, nil, fmt.Errorf("%s is in no folder of a class, but others are; move it, or read all without labels by ImageOptions{Unlabelled: true}", loose)
	case loose != "" && o.Classes != nil:
		return nil, nil, fmt.Errorf("%s is in no folder, which would be its class; ImageOptions.Classes are %s", loose, few(o.Classes))
	case loose != "":
		return nil, nil, nil
	}
	classes = l.folders
	if o.Classes != nil {
		classes = slices.Clone(o.Classes)
	}
	number := make(map[string]int32, len(classes))
	for i, c := range classes {
		if _, ok := number[c]; ok || c == "" {
			return nil, nil, fmt.Errorf("the class %q of ImageOptions.Classes is empty or there twice", c)
		}
		number[c] = int32(i)
	}
	for _, f := range l.folders {
		if _, ok := number[f]; !ok {
			return nil, nil, fmt.Errorf("the folder %s is not among the classes %s", f, few(classes))
		}
		if count[f] == 0 {
			return nil, nil, fmt.Errorf("%w: the folder of class %s has no pictures", ErrEmpty, f)
		}
	}
	if len(classes) < 2 {
		return nil, nil, fmt.Errorf("there is one folder only, %s, and one class is nothing to tell apart; ImageOptions{Unlabelled: true} reads its pictures without labels", classes[0])
	}
	slices.SortStableFunc(l.names, func(a, b string) int { return int(number[folderOf(a)]) - int(number[folderOf(b)]) })
	for _, name := range l.names {
		labels = append(labels, number[folderOf(name)])
	}
	return classes, labels, nil
}

func folderOf(name string) string {
	class, _, _ := strings.Cut(name, "/")
	return class
}

// few lists some names for an error.
func few(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
