// Package picture draws the results of a training as PNG files: rows of pictures,
// reconstructions, filters, feature maps, heat maps, curves over epochs and over rates.
package picture
