// Package yardstick reproduces published numbers. A [Cell] is one number in a table
// of a paper, with the target and how ours is measured. A cell is run once, its
// [Result] is kept in a file, and the README's table is made from those files.
//
//	results, err := yardstick.Run(ctx, yardstick.Find("pca30"), yardstick.Options{Data: mnist})
package yardstick
