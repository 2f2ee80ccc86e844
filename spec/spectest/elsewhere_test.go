package spectest_test

import "github.com/lamina-ml/lamina/spec"

// elsewhere is a constructor that leaves spec.Here to a helper.
func elsewhere() spec.Layer { return indirect() }

func indirect() spec.Layer { return makeBase() }

func makeBase() *layer { return &layer{spec.Here("own"), gated} }
