// The files of a bundle.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tensor.h"

// Tolerance is how far an output may be from what a test set holds.
struct Tolerance {
  double rtol = 0, atol = 0;
};

// ReadFile returns what a file holds. This and the others throw
// std::runtime_error, with the path.
std::vector<unsigned char> ReadFile(const std::filesystem::path& path);

// ReadTolerance reads data.json, an object of numbers that has rtol and atol.
Tolerance ReadTolerance(const std::filesystem::path& path);

// Sets returns the folders test_data_set_* of a bundle, sorted by number.
std::vector<std::filesystem::path> Sets(const std::filesystem::path& bundle);

// ReadTensors reads KIND_0.pb to KIND_(count-1).pb of a set; there must be no
// other file of that kind.
std::vector<Tensor> ReadTensors(const std::filesystem::path& set, const std::string& kind, size_t count);
