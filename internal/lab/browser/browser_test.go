package browser

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	requireEnv = "LAMINA_REQUIRE_CHROMIUM" // 1: fail instead of skipping
	pagesEnv   = "LAMINA_PAGES"            // further files to look at, separated like PATH
	shotsEnv   = "LAMINA_SCREENSHOTS"      // folder for screenshots
)

//go:embed look.js
var look string

// chromium returns the browser's path, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const advice = "no Chromium: apt-get install chromium, or make page as root"
	if os.Getenv(requireEnv) == "1" {
		t.Fatal(advice)
	}
	t.Skip(advice)
	return ""
}

// start returns a context of a running browser.
func start(t *testing.T) context.Context {
	t.Helper()
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), o...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return ctx
}

// complaints are what a page did that it must not.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) add(format string, a ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, a...))
}

func (c *complaints) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// listen hears the console and every request besides that of the file itself.
func (c *complaints) listen(ctx context.Context, file string) error {
	return chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			c.add("console: %s", ev.Type)
		case *runtime.EventExceptionThrown:
			c.add("exception: %s", ev.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			c.add("log: %s: %s", ev.Entry.Level, ev.Entry.Text)
		case *network.EventRequestWillBeSent:
			if u := ev.Request.URL; u != file && !strings.HasPrefix(u, "data:") {
				c.add("request: %s", u)
			}
		}
	})
}

var sizes = []struct {
	name          string
	width, height int64
	mobile        bool
}{{"phone", 390, 844, true}, {"tablet", 820, 1180, true}, {"desktop", 1440, 900, false}}

// TestPages opens pages at three widths, light and dark: no scrolling to the side, nothing
// in the console, no request, all charts visible, text that can be read, and values on
// keyboard focus.
func TestPages(t *testing.T) {
	browser := start(t)
	files := map[string]string{}
	for name, p := range pages() {
		path := filepath.Join(t.TempDir(), name+".html")
		if err := p.Write(path); err != nil {
			t.Fatal(err)
		}
		files[name] = path
	}
	for _, path := range filepath.SplitList(os.Getenv(pagesEnv)) {
		at, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(at), ".html")
		if files[name] != "" { // every label curve is a report.html
			name = filepath.Base(filepath.Dir(at)) + "-" + name
		}
		if files[name] != "" {
			t.Fatalf("%s has two pages %s", pagesEnv, name)
		}
		files[name] = at
	}
	for name, path := range files {
		for _, s := range sizes {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(name+"/"+s.name+"/"+scheme, func(t *testing.T) {
					ctx, cancel := chromedp.NewContext(browser)
					defer cancel()
					ctx, cancel = context.WithTimeout(ctx, 5*time.Minute) // the machine may be slow; nothing is timed
					defer cancel()
					file := (&url.URL{Scheme: "file", Path: path}).String()
					var c complaints
					media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
					device := []func(*emulation.SetDeviceMetricsOverrideParams, *emulation.SetTouchEmulationEnabledParams){}
					if s.mobile {
						device = append(device, chromedp.EmulateMobile, chromedp.EmulateTouch)
					}
					err := c.listen(ctx, file)
					if err == nil {
						_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
					}
					if err == nil {
						err = chromedp.Do(ctx, chromedp.EmulateViewport(s.width, s.height, device...), chromedp.Navigate(file))
					}
					if err != nil {
						t.Fatal(err)
					}
					tabs(ctx, t)
					wrong, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](look))
					if err != nil {
						t.Fatal(err)
					}
					for _, w := range append(wrong, c.said()...) {
						t.Error(w)
					}
					shoot(ctx, t, fmt.Sprintf("%s-%s-%s.png", name, s.name, scheme))
				})
			}
		}
	}
}

// TestPrint prints for a reader of dark pages: dark text on white paper, without what only
// a pointer or a keyboard can use.
func TestPrint(t *testing.T) {
	ctx := start(t)
	path := filepath.Join(t.TempDir(), "report.html")
	if err := report().Write(path); err != nil {
		t.Fatal(err)
	}
	media := emulation.SetEmulatedMediaParams{Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
	if err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(794, 1123), chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
		const root = getComputedStyle(document.documentElement);
		return [root.backgroundColor, root.color, root.colorScheme, getComputedStyle(document.querySelector(".stops")).display,
			document.documentElement.scrollWidth <= 794].join("; ");
	})()`))
	if want := "rgb(255, 255, 255); rgb(28, 31, 35); light; none; true"; err != nil || got != want {
		t.Errorf("paper, text, scheme, stops, width: %q, want %q (%v)", got, want, err)
	}
	shoot(ctx, t, "report-print.png")
}

// tabs goes through the page by the Tab key until a chart shows a value.
func tabs(ctx context.Context, t *testing.T) {
	t.Helper()
	charts, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`!!document.querySelector(".stop, .centre")`))
	if err != nil {
		t.Fatal(err)
	}
	if !charts {
		return
	}
	for n := 1; n <= 80; n++ {
		if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab)); err != nil {
			t.Fatal(err)
		}
		at, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(e => e.className + " " + (e.querySelector(".tip") ? getComputedStyle(e.querySelector(".tip")).visibility : ""))(document.activeElement)`))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case n == 1 && !strings.HasPrefix(at, "skip"):
			t.Errorf("the first Tab goes to %q, want the link that skips to the content", at)
		case (strings.HasPrefix(at, "stop ") || strings.HasPrefix(at, "centre ")) && strings.HasSuffix(at, " visible"):
			return
		}
	}
	t.Error("80 times Tab, and no chart shows a value")
}

// shoot saves a picture of the whole page, if a folder is given.
func shoot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(shotsEnv)
	if dir == "" {
		return
	}
	b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(dir, 0o777)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), b, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLookSees gives the looking itself what is wrong, so that it would find it.
func TestLookSees(t *testing.T) {
	browser := start(t)
	for name, c := range map[string]struct{ html, want string }{
		"wide":     {`<div style="width:3000px">wide</div>`, "pixels wide"},
		"contrast": {`<p style="color:#aaa;background:#fff">pale</p>`, "contrast 2.3"},
		"small":    {`<p style="font-size:8px">small</p>`, "text of 8 pixels"},
		"picture":  {`<img src="data:image/png;base64,AAAA" alt="broken" width="20" height="20">`, "picture not shown"},
		"nowhere":  {`<a href="#nowhere">go</a>`, "goes nowhere"},
		"request":  {`<link rel="stylesheet" href="other.css">`, "request: "},
		"console":  {`<script>console.log(1)</script>`, "console: log"},
		"focus":    {`<div class="stop" tabindex="0" aria-label="x"><div class="tip" style="visibility:hidden">tip</div></div>`, "shows nothing on focus"},
		"table":    {`<table><tr><th>a</th></tr></table>`, "without caption or scopes"},
		"flat":     {`<svg class="drawing" width="300" height="2"></svg>`, "hardly visible"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.html")
			if err := os.WriteFile(path, []byte("<!DOCTYPE html><title>bad</title><body style=\"background:#fff\">"+c.html), 0o666); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := chromedp.NewContext(browser)
			defer cancel()
			file := (&url.URL{Scheme: "file", Path: path}).String()
			var said complaints
			err := said.listen(ctx, file)
			if err == nil {
				err = chromedp.Do(ctx, chromedp.Navigate(file))
			}
			if err != nil {
				t.Fatal(err)
			}
			wrong, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](look))
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(append(wrong, said.said()...), "\n"); !strings.Contains(all, c.want) {
				t.Errorf("want %q among\n%s", c.want, all)
			}
		})
	}
}
