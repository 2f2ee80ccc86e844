package spec

// Autoencoder is a model that learns to return its input through an encoder
// and a decoder, with [MSE] as its loss. Its taps are "code", the encoder's
// output, and "reconstruction", the decoder's. The decoder is any layer, often
// a [Mirror] of the encoder.
func Autoencoder(name string, input *Value, encoder, decoder Layer) *Model {
	at := callers(0)
	return autoencoder(at, name, whole(input, at, "Autoencoder"), encoder, decoder)
}

func autoencoder(at site, name string, input *Value, encoder, decoder Layer) *Model {
	code := input.Then(encoder).Named("code")
	y := code.Then(decoder).Named("reconstruction")
	return newModel(at, name, []*Loss{MSE(y, input)})
}
