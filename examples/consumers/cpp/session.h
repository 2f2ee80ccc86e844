// A model of a bundle, run by onnxruntime's C API.

#pragma once

#include <onnxruntime_c_api.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tensor.h"

// Model is a session with the names of its inputs and outputs. Its functions throw
// std::runtime_error.
class Model {
 public:
  // Model reads a file. Runs take one thread.
  explicit Model(const std::filesystem::path& path);

  const std::vector<std::string>& Inputs() const { return inputs_; }
  const std::vector<std::string>& Outputs() const { return outputs_; }

  // Input and Output return the place of a name.
  size_t Input(const std::string& name) const { return Place(inputs_, name, "input"); }
  size_t Output(const std::string& name) const { return Place(outputs_, name, "output"); }

  // Metadata returns what the model's metadata has under a key, "" for nothing.
  std::string Metadata(const std::string& key) const;

  // Run computes all outputs of inputs, both in the model's order.
  std::vector<Tensor> Run(std::vector<Tensor>& in) const;

 private:
  template <typename T>
  using Owned = std::unique_ptr<T, void (*)(T*)>;

  static size_t Place(const std::vector<std::string>& names, const std::string& name, const std::string& kind);

  Owned<OrtEnv> env_;
  Owned<OrtSession> session_;
  Owned<OrtMemoryInfo> memory_;
  std::vector<std::string> inputs_, outputs_;
};
