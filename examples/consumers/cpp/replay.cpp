// Replays the test sets of a Lamina bundle on onnxruntime, by its C API.
//
// Nothing here comes from Lamina. Exit status: 0 every set holds, 1 a set
// differs, 2 the bundle cannot be read or run.

#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bundle.h"
#include "session.h"
#include "tensor.h"

namespace fs = std::filesystem;

namespace {

// Replay prints a line for each test set and returns whether all of them hold.
bool Replay(const fs::path& bundle) {
  const Model model(bundle / "model.onnx");
  const Tolerance tolerance = ReadTolerance(bundle / "data.json");
  bool holds = true;
  for (const fs::path& set : Sets(bundle)) {
    std::vector<Tensor> in = ReadTensors(set, "input", model.Inputs().size());
    const std::vector<Tensor> want = ReadTensors(set, "output", model.Outputs().size());
    const std::vector<Tensor> got = model.Run(in);
    std::string bad;
    for (size_t i = 0; i < want.size(); i++) {
      const std::string d = Difference(got[i], want[i], tolerance.rtol, tolerance.atol);
      if (!d.empty()) bad += (bad.empty() ? "" : "; ") + model.Outputs()[i] + " " + d;
    }
    std::cout << set.filename().string() << " (rtol " << tolerance.rtol << ", atol " << tolerance.atol
              << "): " << (bad.empty() ? "holds" : "differs: " + bad) << std::endl;
    holds = holds && bad.empty();
  }
  return holds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: replay BUNDLE, the folder that holds model.onnx" << std::endl;
    return 2;
  }
  try {
    return Replay(argv[1]) ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "cannot replay " << argv[1] << ": " << e.what() << std::endl;
    return 2;
  }
}
