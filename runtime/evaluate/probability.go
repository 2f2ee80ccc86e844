package evaluate

import (
	"fmt"
	"math"
	"slices"
)

// Softmax returns the probabilities of logits, row by row: [rows classes].
//
// Errors: the logits are not whole rows; one is not finite.
func Softmax(logits []float64, classes int) ([]float64, error) {
	if classes < 1 || len(logits)%classes != 0 {
		return nil, fmt.Errorf("evaluate: softmax: there must be whole rows of %d logits, got %d logits", classes, len(logits))
	}
	out := make([]float64, len(logits))
	for i := 0; i < len(logits); i += classes {
		for j, z := range logits[i : i+classes] {
			if z-z != 0 {
				return nil, fmt.Errorf("evaluate: softmax: a logit of row %d is %v%s", i/classes, z, at(j, classes))
			}
		}
		softmax(out[i:i+classes], logits[i:i+classes], 1)
	}
	return out, nil
}

// softmax sets dst to the softmax of z times by, and returns the logarithm of the divisor with the greatest of these.
func softmax(dst, z []float64, by float64) (most, log float64) {
	most = slices.Max(z) * by
	sum := 0.0
	for j, x := range z {
		dst[j] = math.Exp(x*by - most)
		sum += dst[j]
	}
	for j := range dst {
		dst[j] /= sum
	}
	return most, math.Log(sum)
}

// TwoClasses returns the probabilities of two classes, row by row, of those of the second: 1-p and p.
func TwoClasses(p []float64) []float64 {
	out := make([]float64, 0, 2*len(p))
	for _, x := range p {
		out = append(out, 1-x, x)
	}
	return out
}

// sumsToOne is how far a row's probabilities, which are often rounded to float32, may be from 1 in all.
const sumsToOne = 1e-3

// probabilities checks rows of probabilities.
func probabilities(what string, p []float64, classes int, labels []int, o []Option) (counting, error) {
	c, err := scored(what, p, classes, labels, o)
	if err != nil {
		return c, err
	}
	if classes < 2 {
		return c, fmt.Errorf("evaluate: %s: there must be probabilities of two classes or more, got %d; TwoClasses makes two of one", what, classes)
	}
	for i := range labels {
		sum := 0.0
		for j, x := range p[i*classes:][:classes] {
			if x < 0 || x > 1 {
				return c, fmt.Errorf("evaluate: %s: a probability of row %d is %v%s; it must be from 0 to 1, as Softmax makes of logits", what, i, x, at(j, classes))
			}
			sum += x
		}
		if math.Abs(sum-1) > sumsToOne {
			return c, fmt.Errorf("evaluate: %s: the probabilities of row %d add up to %v, must be 1", what, i, sum)
		}
	}
	return c, nil
}

// leastProbability is what a probability of 0 counts as in a logarithm, as in scikit-learn.
const leastProbability = 0x1p-52

// LogLoss returns the mean of -log p of the rows' own classes, in nats: the cross-entropy. The probabilities are row by row:
// [rows classes]. One below 2^-52 counts as that, which is a loss of 36.
//
// Errors: probabilities that are not a row for each label, not from 0 to 1, or do not add up to 1; a label is not a class; no
// row has a label; those of [Weighted].
func LogLoss(p []float64, classes int, labels []int, o ...Option) (float64, error) {
	const what = "log loss"
	c, err := probabilities(what, p, classes, labels, o)
	if err != nil {
		return 0, err
	}
	return c.mean(what, labels, func(i int) float64 { return logLoss(p[i*classes+labels[i]]) })
}

func logLoss(p float64) float64 { return -math.Log(min(max(p, leastProbability), 1-leastProbability)) }

// Brier returns the mean of the squared distance of the probabilities from the truth, Σ (p-y)² over the classes (Brier 1950);
// of two classes half of that, which is (p-y)² of one of them, as in scikit-learn.
//
// Errors: those of [LogLoss].
func Brier(p []float64, classes int, labels []int, o ...Option) (float64, error) {
	const what = "Brier score"
	c, err := probabilities(what, p, classes, labels, o)
	if err != nil {
		return 0, err
	}
	return c.mean(what, labels, func(i int) float64 { return brier(p[i*classes:][:classes], labels[i]) })
}

func brier(p []float64, label int) float64 {
	sum := 0.0
	for j, x := range p {
		d := x - one(j == label)
		sum += d * d
	}
	if len(p) == 2 {
		sum /= 2
	}
	return sum
}

// Bin has the rows whose confidence, the probability of the predicted class, is above Low and at most High.
type Bin struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Rows       float64 `json:"rows"`       // or their weights
	Confidence float64 `json:"confidence"` // mean
	Accuracy   float64 `json:"accuracy"`
}

// maxBins bounds the bins of a calibration.
const maxBins = 1 << 16

// Calibration returns how often the predicted class is right in bins of the same width by its probability. Bins without rows
// are there, with zeros. A row with confidence 0 is in the first.
//
// Errors: those of [LogLoss]; bins are not from 1 to 65,536.
func Calibration(p []float64, classes int, labels []int, bins int, o ...Option) ([]Bin, error) {
	const what = "calibration"
	c, err := probabilities(what, p, classes, labels, o)
	if err != nil {
		return nil, err
	}
	if bins < 1 || bins > maxBins {
		return nil, fmt.Errorf("evaluate: %s: bins must be from 1 to %d, got %d", what, maxBins, bins)
	}
	k := newConfidences(p, classes, labels, bins)
	out := make([]Bin, bins)
	if rows := k.fill(out, labels, c.of); rows == 0 {
		return nil, lacking("evaluate: %s: no row has a label", what)
	}
	for b := range out {
		out[b].Low, out[b].High = float64(b)/float64(bins), float64(b+1)/float64(bins)
		out[b].Confidence, out[b].Accuracy = ratio(out[b].Confidence, out[b].Rows), ratio(out[b].Accuracy, out[b].Rows)
	}
	return out, nil
}

// CalibrationError returns the expected calibration error (Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017): the mean over
// the rows of how far accuracy and confidence of their bins are apart. The bins are those of [Calibration], of the same width
// over the probability of the predicted class; 15 are usual. It depends on them: with few rows for each bin it is above 0 even
// if the probabilities are right.
//
// Errors: those of Calibration.
func CalibrationError(p []float64, classes int, labels []int, bins int, o ...Option) (float64, error) {
	table, err := Calibration(p, classes, labels, bins, o...)
	if err != nil {
		return 0, err
	}
	sum, rows := 0.0, 0.0
	for _, b := range table {
		sum, rows = sum+b.Rows*math.Abs(b.Accuracy-b.Confidence), rows+b.Rows
	}
	return sum / rows, nil
}

// confidences are the rows' bins, the probabilities of what is predicted and whether it is right.
type confidences struct {
	bin   []int
	most  []float64
	right []bool
}

func newConfidences(p []float64, classes int, labels []int, bins int) *confidences {
	k := &confidences{make([]int, len(labels)), make([]float64, len(labels)), make([]bool, len(labels))}
	for i, y := range labels {
		best, row := 0, p[i*classes:][:classes]
		for j, x := range row {
			if x > row[best] {
				best = j
			}
		}
		k.most[i], k.right[i] = row[best], best == y
		k.bin[i] = min(max(int(math.Ceil(row[best]*float64(bins)))-1, 0), bins-1)
	}
	return k
}

// fill adds up the rows of bins, and returns how many there are.
func (k *confidences) fill(bins []Bin, labels []int, w func(i int) float64) (rows float64) {
	for i, y := range labels {
		if y == None {
			continue
		}
		b := &bins[k.bin[i]]
		b.Rows += w(i)
		b.Confidence += w(i) * k.most[i]
		b.Accuracy += w(i) * one(k.right[i])
		rows += w(i)
	}
	return rows
}
