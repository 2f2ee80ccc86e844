// Package pretrain runs trainings made of phases: a stack pretrained layer by
// layer, then whatever is built on it.
//
// A [Program] is data: it is checked before any row is read, prints as a table,
// and is written down with what it trained. Its phases are trainings over the same
// layers; a phase starts from what the phases before it left, and nobody copies
// weights. With a folder, a program that was interrupted or killed goes on in the
// middle of any phase and ends with the bits of one that never was.
//
//	pretrain.NewProgram("few-labels",
//		pretrain.Greedy(x, enc, digits.Train, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 15}).Corrupt(spec.MaskingNoise(0.25)),
//		pretrain.Fit(classifier, few, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 50}))
//
// [RBM] trains the stages as restricted Boltzmann machines (Smolensky 1986; Hinton
// 2002, 2010; Tieleman 2008), which together are a deep belief net; [EndToEnd] and
// [Fit] train it further (Hinton and Salakhutdinov 2006), and a [Machine] is what
// is measured on it and drawn from it (Salakhutdinov and Murray 2008).
package pretrain
