package page

import (
	"math"
	"strconv"
	"strings"
)

const (
	minus = "−"
	thin  = "\u2009" // between groups of three digits
)

// Number returns x as pages show it: up to four significant digits, groups of three
// digits, a true minus sign, and powers of ten where the number is below 0.0001 or from
// ten million on. Whole numbers below that keep all their digits. "not a number", "∞" and
// "−∞" stand for what is not finite.
func Number(x float64) string {
	switch {
	case x != x:
		return "not a number"
	case math.IsInf(x, 0):
		return sign(x) + "∞"
	case x == 0:
		return "0"
	}
	a := math.Abs(x)
	if a == math.Trunc(a) && a < 1e7 {
		return sign(x) + grouped(strconv.FormatFloat(a, 'f', 0, 64))
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(a, 'e', 3, 64), "e")
	e, _ := strconv.Atoi(exponent)
	if e < -4 || e >= 7 {
		return sign(x) + power(trimZeros(digits), e)
	}
	text := strconv.FormatFloat(a, 'f', max(0, 3-e), 64)
	return sign(x) + grouped(trimZeros(text))
}

// Fixed returns x with so many decimals, for numbers that stand below each other.
func Fixed(x float64, decimals int) string {
	if x-x != 0 {
		return Number(x)
	}
	text := strconv.FormatFloat(math.Abs(x), 'f', min(max(decimals, 0), 20), 64)
	if len(text) > 28 {
		return Number(x)
	}
	if strings.Trim(text, "0.") == "" { // no minus before a zero
		x = 0
	}
	return sign(x) + grouped(text)
}

func sign(x float64) string {
	if x < 0 {
		return minus
	}
	return ""
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// grouped separates the digits of the whole part by threes, from five digits on.
func grouped(s string) string {
	whole, rest, _ := strings.Cut(s, ".")
	if len(whole) > 4 {
		var b strings.Builder
		for i, d := range whole {
			if i > 0 && (len(whole)-i)%3 == 0 {
				b.WriteString(thin)
			}
			b.WriteRune(d)
		}
		whole = b.String()
	}
	if rest != "" {
		return whole + "." + rest
	}
	return whole
}

var superscripts = strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹")

func power(digits string, e int) string {
	ten := "10" + superscripts.Replace(strconv.Itoa(e))
	if digits == "1" {
		return ten
	}
	return digits + "·" + ten
}

// place is a share of a length as a percentage, for attributes of SVG and CSS.
func place(share float64) string {
	return strconv.FormatFloat(math.Round(min(max(share, 0), 1)*1e5)/1e3, 'f', -1, 64)
}
