// Reads from a bundle of examples/explain what each pixel adds to a classifier's score,
// and checks that the pixels of a row add up to it.
//
// Nothing here comes from Lamina. Exit status: 0 every row adds up, 1 a row does not,
// 2 the bundle cannot be read or run.

#include <algorithm>
#include <cmath>
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

// kComplete is how far a row may be from adding up, as a share of the greatest
// difference of scores: the path has 32 steps, and the classifier has kinks.
constexpr double kComplete = 0.05;

bool Explain(const fs::path& bundle) {
  const Model model(bundle / "model.onnx");
  std::vector<Tensor> in = ReadTensors(Sets(bundle).front(), "input", model.Inputs().size());
  const std::vector<Tensor> out = model.Run(in);
  const std::vector<float> pixels = Floats(out[model.Output("contributions")]);
  const std::vector<float> score = Floats(out[model.Output("score")]), black = Floats(out[model.Output("black")]);
  if (score.empty() || black.size() != score.size() || pixels.size() % score.size() != 0) throw std::runtime_error("the outputs do not fit");
  const size_t width = pixels.size() / score.size();
  double worst = 0, largest = 0;
  std::cout << std::fixed << std::setprecision(4);
  for (size_t row = 0; row < score.size(); row++) {
    const float* const p = &pixels[row * width];
    double sum = 0;
    for (size_t i = 0; i < width; i++) sum += static_cast<double>(p[i]);
    const double want = static_cast<double>(score[row]) - static_cast<double>(black[row]);
    worst = std::max(worst, std::fabs(sum - want));
    largest = std::max(largest, std::fabs(want));
    if (row < 3) {
      const float* const top = std::max_element(p, p + width);
      std::cout << "row " << row << ": score " << score[row] << ", " << black[row] << " of a black picture; its pixels add " << sum
                << ", pixel " << top - p << " most of all: " << *top << "\n";
    }
  }
  const bool complete = worst <= kComplete * largest;
  std::cout << score.size() << " rows " << (complete ? "add up" : "do not add up") << ": off by " << worst << " of " << largest << " at most"
            << std::endl;
  return complete;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: explain BUNDLE, the folder that holds model.onnx" << std::endl;
    return 2;
  }
  try {
    return Explain(argv[1]) ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "cannot explain with " << argv[1] << ": " << e.what() << std::endl;
    return 2;
  }
}
