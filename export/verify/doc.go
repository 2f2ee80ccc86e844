// Package verify shows that an exported file computes what was trained. It runs the
// file on other runtimes, with several batch sizes and with inputs chosen to break
// it, and compares every element within a computed error bound. If results differ,
// it names the first layer where they do.
//
// README.md beside this file has the formula of the bound.
package verify
