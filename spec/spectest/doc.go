// Package spectest tests your own layers, losses and kernels the way Lamina's are
// tested, in one call.
//
//	func TestGLU(t *testing.T) {
//		spectest.Layer(t, func() spec.Layer { return glu.New(8) }, 5) // on f32[N 5]
//	}
//
// README.md beside this file lists the checks.
package spectest
