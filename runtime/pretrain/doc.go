// Package pretrain runs training in phases: a stack is pretrained layer by layer,
// then whatever is built on it is trained.
//
// A [Program] is data: it is checked before any row is read, prints as a table, and
// is recorded with what it trained. Its phases are trainings over the same layers. A
// phase starts from the weights that earlier phases left, so nobody copies weights.
// Given a folder, a program that was interrupted or killed resumes in the middle of
// any phase and ends with the same bits as an uninterrupted one.
//
//	pretrain.NewProgram("few-labels",
//		pretrain.Greedy(x, enc, digits.Train, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 15}).Corrupt(spec.MaskingNoise(0.25)),
//		pretrain.Fit(classifier, few, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 50}))
//
// [RBM] trains the stages as restricted Boltzmann machines (Smolensky 1986; Hinton
// 2002, 2010; Tieleman 2008), which together form a deep belief net. [EndToEnd] and
// [Fit] train it further (Hinton and Salakhutdinov 2006). A [Machine] measures the
// net and draws samples from it (Salakhutdinov and Murray 2008).
package pretrain
