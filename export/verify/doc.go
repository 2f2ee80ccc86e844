// Package verify shows that an exported file computes what was trained: it runs
// the file on other runtimes with several batch sizes and with inputs chosen to
// break it, compares every element within a bound that is computed and not
// guessed, and on a difference names the first layer that has it.
//
// README.md beside this file has the formula of the bound.
package verify
