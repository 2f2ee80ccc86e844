// Package spectest tests layers, losses and kernels of one's own as Lamina's are tested,
// in one call.
//
//	func TestGLU(t *testing.T) {
//		spectest.Layer(t, func() spec.Layer { return glu.New(8) }, 5) // on f32[N 5]
//	}
//
// README.md beside this file lists what is looked at.
package spectest
