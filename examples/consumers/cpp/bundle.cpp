#include "bundle.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <locale>
#include <sstream>
#include <stdexcept>

namespace fs = std::filesystem;

namespace {

constexpr uintmax_t kMaxBytes = uintmax_t{1} << 31;

[[noreturn]] void Fail(const fs::path& path, const std::string& what) {
  throw std::runtime_error(path.filename().string() + ": " + what);
}

bool StartsWith(const std::string& s, const std::string& prefix) { return s.compare(0, prefix.size(), prefix) == 0; }

}  // namespace

std::vector<unsigned char> ReadFile(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) Fail(path, "is missing or is no file");
  const uintmax_t size = fs::file_size(path, error);
  if (error) Fail(path, error.message());
  if (size > kMaxBytes) Fail(path, "has more than 2 GiB");
  std::vector<unsigned char> bytes(static_cast<size_t>(size));
  std::ifstream in(path, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) Fail(path, "cannot be read");
  return bytes;
}

Tolerance ReadTolerance(const fs::path& path) {
  const std::vector<unsigned char> bytes = ReadFile(path);
  std::istringstream in(std::string(bytes.begin(), bytes.end()));
  in.imbue(std::locale::classic());
  const auto expect = [&](char want) {
    char c = 0;
    if (!(in >> c) || c != want) Fail(path, std::string("is no object of numbers: ") + want + " is missing");
  };
  Tolerance t;
  bool rtol = false, atol = false;
  expect('{');
  for (;;) {
    expect('"');
    std::string key;
    double x = 0;
    if (!std::getline(in, key, '"')) Fail(path, "ends in a name");
    expect(':');
    if (!(in >> x) || !std::isfinite(x) || x < 0) Fail(path, key + " is no tolerance");
    if (key == "rtol") t.rtol = x, rtol = true;
    if (key == "atol") t.atol = x, atol = true;
    char c = 0;
    if (!(in >> c) || (c != ',' && c != '}')) Fail(path, "is no object of numbers");
    if (c == '}') break;
  }
  if (!rtol || !atol) Fail(path, "does not say rtol and atol");
  return t;
}

std::vector<fs::path> Sets(const fs::path& bundle) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(bundle)) {
    if (StartsWith(entry.path().filename().string(), "test_data_set_")) sets.push_back(entry.path());
  }
  if (sets.empty()) throw std::runtime_error("no test_data_set_* in it");
  std::sort(sets.begin(), sets.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return sets;
}

std::vector<Tensor> ReadTensors(const fs::path& set, const std::string& kind, size_t count) {
  size_t found = 0;
  for (const auto& entry : fs::directory_iterator(set)) {
    found += StartsWith(entry.path().filename().string(), kind + "_");
  }
  if (found != count) {
    Fail(set, std::to_string(found) + " " + kind + " files, the model has " + std::to_string(count) + " " + kind + "s");
  }
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < count; i++) {
    const fs::path path = set / (kind + "_" + std::to_string(i) + ".pb");
    try {
      tensors.push_back(ParseTensor(ReadFile(path)));
    } catch (const std::runtime_error& e) {
      Fail(path, e.what());
    }
  }
  return tensors;
}
