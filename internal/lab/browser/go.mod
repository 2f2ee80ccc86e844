module github.com/lamina-ml/lamina/internal/lab/browser

go 1.26.0

require (
	github.com/chromedp/cdproto v0.160.1
	github.com/chromedp/chromedp v0.23.1
	github.com/lamina-ml/lamina v0.0.0
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/gofrs/flock v0.12.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/lamina-ml/lamina => ../../..
