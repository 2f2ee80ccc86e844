// Trains a head on the codes of an encoder, both files of examples/ondevice: one bundle
// makes codes, the other makes one update of the head.
//
// Nothing here comes from Lamina. Exit status: 0 the loss fell, 1 it did not, 2 a bundle
// cannot be read or run.

#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bundle.h"
#include "session.h"
#include "tensor.h"

namespace fs = std::filesystem;

namespace {

bool Train(const fs::path& encoder, const fs::path& bundle, int updates) {
  const Model encode(encoder / "model.onnx"), update(bundle / "model.onnx");
  // What a device has: pictures with their labels, a rate, and a head to begin with.
  std::vector<Tensor> pictures = ReadTensors(Sets(encoder).front(), "input", encode.Inputs().size());
  std::vector<Tensor> in = ReadTensors(Sets(bundle).front(), "input", update.Inputs().size());
  const size_t w = update.Input("w"), b = update.Input("b");
  const size_t w_next = update.Output("w_next"), b_next = update.Output("b_next"), loss = update.Output("loss");

  in[update.Input("code")] = encode.Run(pictures)[encode.Output("code")];
  float first = 0, last = 0;
  for (int i = 0; i <= updates; i++) {
    std::vector<Tensor> out = update.Run(in);
    last = Floats(out[loss]).at(0);
    if (i == 0) first = last;
    if (i % 10 == 0) std::cout << "update " << std::setw(3) << i + 1 << ": loss " << std::fixed << std::setprecision(6) << last << std::endl;
    in[w] = std::move(out[w_next]);
    in[b] = std::move(out[b_next]);
  }
  return last < first;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: ondevice ENCODER UPDATE [UPDATES], two folders that hold model.onnx" << std::endl;
    return 2;
  }
  try {
    return Train(argv[1], argv[2], argc == 4 ? std::stoi(argv[3]) : 100) ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "cannot train: " << e.what() << std::endl;
    return 2;
  }
}
