// Package yardstick reproduces published numbers: each [Cell] is one of a paper's
// table, with what is aimed at and how ours is measured. A cell is run once, its
// [Result] is kept in a file, and the table of the README is made of those files.
//
//	results, err := yardstick.Run(ctx, yardstick.Find("pca30"), yardstick.Options{Data: mnist})
package yardstick
