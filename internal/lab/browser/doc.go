// Package browser opens pages of [github.com/lamina-ml/lamina/runtime/report/page] in
// Chromium and looks at what a reader would meet there. It is a module of its own, so that
// what drives the browser does not come into Lamina's. make page runs its tests.
package browser
