// Package report measures what a user has to decide, keeps it as JSON and CSV, and shows it
// on one HTML page.
//
// [LabelCurve] says how good a model becomes with how many labels, and whether it helps
// to pretrain it on rows without a label:
//
//	curve, err := report.LabelCurve(ctx, model, report.CurveOptions{Rows: rows, Dir: "out/curve"})
//
// where model declares anew, each time it is called, what is learned: see [Model].
package report
