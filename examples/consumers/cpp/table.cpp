// Runs the rows of a CSV file through a model that was trained on a table, by its metadata alone.
//
// The file has a header, fields without quotes or line ends, numbers with a point, and an empty field for no value; what is
// something else is refused. A date is
// given as the numbers that it becomes, such as day.year and day.month.sin. Nothing here comes from Lamina. Prints the first
// output, a line for each row. Exit status: 0, or 2 if the model or the rows cannot be read.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "columns.h"
#include "session.h"
#include "tensor.h"

namespace fs = std::filesystem;

namespace {

std::vector<std::string> Fields(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.find('"') != std::string::npos) throw std::runtime_error("this program reads no fields in quotes: " + line);
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  for (std::string& f : fields) { // blanks around a field are no part of it
    const size_t from = f.find_first_not_of(" \t");
    f = from == std::string::npos ? "" : f.substr(from, f.find_last_not_of(" \t") - from + 1);
  }
  return fields;
}

// Number is a field as a number, NaN for none. std::stof alone takes 12abc for 12, and inf.
float Number(const std::string& field) {
  if (field.empty()) return std::nanf("");
  char* end = nullptr;
  const float x = std::strtof(field.c_str(), &end);
  if (*end != '\0' || !std::isfinite(x) || field.find_first_of("xX") != std::string::npos) {
    throw std::runtime_error(field + " is not a finite number");
  }
  return x;
}

template <typename T>
Tensor Make(Tensor::Type type, const std::vector<T>& x, size_t rows) {
  Tensor t;
  t.type = type;
  t.shape = {static_cast<int64_t>(rows), static_cast<int64_t>(rows == 0 ? 0 : x.size() / rows)};
  t.data.resize(x.size() * sizeof(T));
  if (!x.empty()) std::memcpy(t.data.data(), x.data(), t.data.size());
  return t;
}

void Run(const fs::path& path, const fs::path& file) {
  const Model model(path);
  const Columns columns = ParseColumns(model.Metadata("lamina.columns"));
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) throw std::runtime_error("the file of rows is empty or cannot be read");
  const std::vector<std::string> header = Fields(line);
  const auto place = [&](const std::string& name) {
    const auto at = std::find(header.begin(), header.end(), name);
    if (at == header.end()) throw std::runtime_error("there is no column " + name);
    return static_cast<size_t>(at - header.begin());
  };
  std::vector<size_t> numbers, texts;
  for (const std::string& name : columns.numeric) numbers.push_back(place(name));
  for (const Columns::Category& c : columns.categorical) texts.push_back(place(c.name));
  std::vector<float> numeric;
  std::vector<int64_t> categorical;
  size_t rows = 0;
  for (; std::getline(in, line); rows++) {
    const std::vector<std::string> fields = Fields(line);
    if (fields.size() != header.size()) throw std::runtime_error("row " + std::to_string(rows) + " has not as many fields as the header");
    for (const size_t i : numbers) numeric.push_back(Number(fields[i]));
    for (size_t k = 0; k < texts.size(); k++) categorical.push_back(columns.categorical[k].Id(fields[texts[k]]));
  }
  std::vector<Tensor> inputs;
  for (const std::string& name : model.Inputs()) {
    if (name == "numeric") {
      inputs.push_back(Make(Tensor::kFloat, numeric, rows));
    } else if (name == "categorical") {
      inputs.push_back(Make(Tensor::kInt64, categorical, rows));
    } else {
      throw std::runtime_error("the model has an input " + name + ", which is no column of a table");
    }
  }
  const std::vector<float> out = Floats(model.Run(inputs).front());
  for (size_t i = 0; i < out.size(); i++) std::cout << out[i] << ((i + 1) % (out.size() / rows) == 0 ? '\n' : ' ');
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: table MODEL.onnx ROWS.csv" << std::endl;
    return 2;
  }
  try {
    std::cout.precision(9);
    Run(argv[1], argv[2]);
  } catch (const std::exception& e) {
    std::cerr << "cannot run " << argv[2] << ": " << e.what() << std::endl;
    return 2;
  }
  return 0;
}
