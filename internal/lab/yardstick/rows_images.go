package yardstick

import "fmt"

// oneClassRow is Deep SVDD beside the convolutional autoencoder that it starts from.
func oneClassRow() Row {
	r := Row{Name: "deepsvdd", Source: "MNIST: Ruff et al. 2018, Deep SVDD as it was measured again by others; Fashion-MNIST: Ruff et al. 2020",
		Metric: "mean area under the ROC curve over ten normal classes, %",
		Differs: "The authors' nets and preprocessing, which for clothing are those of 2020 as far as they are known here, but in `fashion/svdd-small` those of digits; batches of 200; one seed. Shortened: 30 epochs of Adam with a rate of 0.001 for the autoencoder, 60 in `fashion/cae`, and 20 for the codes, " +
			"divided by ten after two thirds of them, instead of 150 each with 0.0001 and then 0.00001"}
	encoding := falling{Epochs: 30, Rate: 1e-3, Batch: 200, Decay: 0.5e-3}
	drawing := falling{Epochs: 20, Rate: 1e-3, Batch: 200, Decay: 0.5e-6}
	add := func(name, data string, published float64, how oneClass) {
		r.Cells = append(r.Cells, Cell{Name: name, Data: data, Published: published, Target: published, More: true, how: how})
	}
	for _, data := range []struct {
		name, set string
		cae, svdd float64
	}{{"mnist", "", 89.7, 93.6}, {"fashion", fashion, 90.2, 89.2}} {
		alone := encoding
		if data.set != "" {
			alone.Epochs = 60
		}
		add(data.name+"/cae", data.set, data.cae, oneClass{Larger: data.set != "", Classes: 10, Encoding: alone})
		add(data.name+"/svdd", data.set, data.svdd, oneClass{Larger: data.set != "", Centre: true, Classes: 10, Encoding: encoding, Drawing: drawing})
	}
	add("fashion/svdd-small", fashion, 89.2, oneClass{Centre: true, Classes: 10, Encoding: encoding, Drawing: drawing}) // the net and preprocessing of digits
	return r
}

// The nets of pictures: the dense one has more parameters.
var (
	convNet  = pictureNet{"conv", []int{16, 32}, 64}
	denseNet = pictureNet{"dense", []int{500, 250}, 64}
)

// pictureNets are the nets that are compared, with the best first.
var pictureNets = []pictureNet{convNet, denseNet}

const fewConvs = "fewlabels-conv" // the row's name

// fewCounts are the numbers of labels of the row, and turns the augmentation of its
// trainings that have one.
var fewCounts = []int{100, 600, 1000, 3000}

const turns = "shift=2,rotate=10,scale=0.1,shape=1x28x28"

// fewConvRow is classifiers from few labels, convolutional and dense, pretrained and from
// scratch, with augmentation and without.
func fewConvRow() Row {
	r := Row{Name: fewConvs, Source: "the same net from scratch, and a dense one", Apart: true,
		Metric:  "test error, %, of the classifier pretrained without labels, from 100 labels",
		Differs: "Shortened: see internal/lab/yardstick"}
	for _, data := range []struct{ name, set string }{{"mnist", ""}, {"fashion", fashion}} {
		for _, net := range pictureNets {
			for _, a := range []struct{ name, augment string }{{"plain", ""}, {"augmented", turns}} {
				augment := a.augment
				if augment != "" && data.set == fashion {
					augment = "shift=2,flip=h,shape=1x28x28"
				}
				r.Cells = append(r.Cells, Cell{Name: data.name + "/" + net.Kind + "-" + a.name, Data: data.set, Seeds: 1, how: fewConv{Net: net, Block: 4, Blank: 0.5, Noise: 0.2,
					Pretrain: rising{8, 100, 2e-3}, Updates: 1000, Batch: 50, Rate: 1e-3, Drop: 0.3, Augment: augment, Labels: fewCounts, Draws: 3}})
			}
		}
	}
	return r
}

// residualRow is ResNet-20 on digits or on articles of clothing.
func residualRow(name, data string, target float64, how residual) Row {
	return Row{Name: name, Source: "a round figure for small residual nets", Metric: "test error, %",
		Differs: fmt.Sprintf("ResNet-20, %d epochs in batches of %d, augmented (`%s`); one seed", how.Epochs, how.Batch, how.Augment),
		Cells:   []Cell{{Data: data, Target: target, how: how}}}
}

func mnistResNetRow() Row {
	return residualRow("mnist-resnet", "", 0.5, residual{Picture: []int{1, side, side}, Mean: []float64{0.1307}, Spread: []float64{0.3081},
		Augment: "shift=2,rotate=10,scale=0.1", Epochs: 10, Batch: 128, Rate: 0.1, Warm: 1, Decay: 1e-4})
}

func fashionResNetRow() Row {
	return residualRow("fashion-resnet", fashion, 6.5, residual{Picture: []int{1, side, side}, Mean: []float64{0.2860}, Spread: []float64{0.3530},
		Augment: "crop=2,flip=h,erase=0.25", Epochs: 20, Batch: 128, Rate: 0.1, Warm: 1, Decay: 5e-4})
}

// cifarPeer is the error of internal/lab/peers/python/torch_resnet.py, %.
const cifarPeer = 18.6

// cifarResNetRow is aimed at one point above PyTorch's error.
func cifarResNetRow() Row {
	how := residual{Picture: []int{3, 32, 32}, Bytes: true, Mean: []float64{0.4914, 0.4822, 0.4465}, Spread: []float64{0.2470, 0.2435, 0.2616},
		Augment: "crop=4,flip=h", Epochs: 10, Batch: 128, Rate: 0.1, Decay: 1e-4}
	r := residualRow("cifar-resnet20", cifar, cifarPeer+1, how)
	r.Source = "the same net and recipe in PyTorch"
	r.Differs += ". The pictures are JPEG files, so that published errors compare only roughly"
	r.Cells[0].Published = cifarPeer
	return r
}

const denoise = "denoise" // the row's name

// sigmas are the noises of the row.
var sigmas = []float64{0.1, 0.25, 0.5}

// denoiseRow is what a convolutional denoising autoencoder gains.
func denoiseRow() Row {
	r := Row{Name: denoise, Source: "the noisy pictures", Apart: true, Metric: "dB of PSNR gained", Differs: "Shortened: see internal/lab/yardstick"}
	for _, sigma := range sigmas {
		r.Cells = append(r.Cells, Cell{Name: fmt.Sprint("sigma-", sigma), More: true, how: restorer{denoiser(sigma), sigma, rising{10, 100, 2e-3}}})
	}
	return r
}

// denoiser is the net for a noise: the less of it, the more a code must hold.
func denoiser(sigma float64) pictureNet {
	if sigma < 0.2 {
		return pictureNet{"conv", []int{16, 32}, 256}
	}
	return pictureNet{"conv", []int{16, 32}, 128}
}
