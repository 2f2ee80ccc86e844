#include "tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace {

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error("not a tensor: " + what); }

// Reader walks over the fields of a protobuf message.
class Reader {
 public:
  Reader(const unsigned char* data, size_t size) : at_(data), end_(data + size) {}

  bool Done() const { return at_ == end_; }

  uint64_t Varint() {
    uint64_t x = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (Done()) Fail("the file ends in a number");
      const unsigned char b = *at_++;
      x |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return x;
    }
    Fail("a number has more than 64 bits");
  }

  // Bytes returns the next n bytes.
  const unsigned char* Bytes(uint64_t n) {
    if (n > static_cast<uint64_t>(end_ - at_)) Fail("a field is longer than the file");
    const unsigned char* p = at_;
    at_ += static_cast<size_t>(n);
    return p;
  }

  // Part returns the next field of given length as a message.
  Reader Part() {
    const uint64_t n = Varint();
    return Reader(Bytes(n), static_cast<size_t>(n));
  }

  void Skip(uint64_t wire) {
    switch (wire) {
      case 0: Varint(); return;
      case 1: Bytes(8); return;
      case 2: Part(); return;
      case 5: Bytes(4); return;
    }
    Fail("unknown wire type " + std::to_string(wire));
  }

  std::vector<unsigned char> Rest() {
    std::vector<unsigned char> v(at_, end_);
    at_ = end_;
    return v;
  }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
};

// Each calls f for the elements of a repeated number, packed or not.
template <typename F>
void Each(Reader& r, uint64_t wire, uint64_t single, F f) {
  if (wire == single) {
    f(r);
    return;
  }
  if (wire != 2) Fail("a field has the wrong wire type");
  Reader part = r.Part();
  while (!part.Done()) f(part);
}

void Append(std::vector<unsigned char>& to, uint64_t x) {
  for (int i = 0; i < 8; i++) to.push_back(static_cast<unsigned char>(x >> (8 * i)));
}

template <typename T>
T At(const Tensor& t, size_t i) {
  T x;
  std::memcpy(&x, t.data.data() + i * sizeof(T), sizeof(T));
  return x;
}

bool Close(double got, double want, double rtol, double atol) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want) || std::isinf(got)) return got == want;
  return std::fabs(got - want) <= atol + rtol * std::fabs(want);
}

double Number(const Tensor& t, size_t i) {
  switch (t.type) {
    case Tensor::kFloat: return static_cast<double>(At<float>(t, i));
    case Tensor::kInt64: return static_cast<double>(At<int64_t>(t, i));
    default: return t.data[i] != 0;
  }
}

bool Same(const Tensor& got, const Tensor& want, size_t i, double rtol, double atol) {
  switch (want.type) {
    case Tensor::kFloat: return Close(Number(got, i), Number(want, i), rtol, atol);
    case Tensor::kInt64: return At<int64_t>(got, i) == At<int64_t>(want, i);
    default: return (got.data[i] != 0) == (want.data[i] != 0);
  }
}

}  // namespace

size_t Width(Tensor::Type type) {
  switch (type) {
    case Tensor::kFloat: return 4;
    case Tensor::kInt64: return 8;
    case Tensor::kBool: return 1;
    case Tensor::kNone: break;
  }
  Fail("only float, int64 and bool are read");
}

size_t Tensor::Count() const { return data.size() / Width(type); }

std::string Tensor::Describe() const {
  std::ostringstream s;
  s << (type == kFloat ? "float" : type == kInt64 ? "int64" : "bool") << '[';
  for (size_t i = 0; i < shape.size(); i++) s << (i ? "," : "") << shape[i];
  s << ']';
  return s.str();
}

std::vector<float> Floats(const Tensor& t) {
  if (t.type != Tensor::kFloat) throw std::runtime_error(t.Describe() + " is no tensor of floats");
  std::vector<float> x(t.Count());
  if (!x.empty()) std::memcpy(x.data(), t.data.data(), t.data.size());
  return x;
}

Tensor ParseTensor(const std::vector<unsigned char>& message) {
  Tensor t;
  std::vector<unsigned char> raw, floats, longs;
  bool has_raw = false;
  Reader r(message.data(), message.size());
  while (!r.Done()) {
    const uint64_t tag = r.Varint(), wire = tag & 7;
    switch (tag >> 3) {
      case 1:  // dims
        Each(r, wire, 0, [&](Reader& p) { t.shape.push_back(static_cast<int64_t>(p.Varint())); });
        break;
      case 2: {  // data_type
        if (wire != 0) Fail("data_type is no number");
        const uint64_t type = r.Varint();
        if (type != Tensor::kFloat && type != Tensor::kInt64 && type != Tensor::kBool) {
          Fail("only float, int64 and bool are read, it is of type " + std::to_string(type));
        }
        t.type = static_cast<Tensor::Type>(type);
        break;
      }
      case 4:  // float_data
        Each(r, wire, 5, [&](Reader& p) {
          const unsigned char* b = p.Bytes(4);
          floats.insert(floats.end(), b, b + 4);
        });
        break;
      case 7:  // int64_data
        Each(r, wire, 0, [&](Reader& p) { Append(longs, p.Varint()); });
        break;
      case 9:  // raw_data
        if (wire != 2) Fail("raw_data is no string of bytes");
        raw = r.Part().Rest();
        has_raw = true;
        break;
      case 3:   // segment
      case 13:  // external_data
        Fail("its data are outside the file");
      case 14:  // data_location
        if (wire != 0) Fail("data_location is no number");
        if (r.Varint() != 0) Fail("its data are outside the file");
        break;
      default: r.Skip(wire);
    }
  }
  const size_t width = Width(t.type);
  if (has_raw && (!floats.empty() || !longs.empty())) Fail("it holds its data twice");
  if (has_raw) {
    t.data = std::move(raw);
  } else {
    if (t.type != Tensor::kFloat && !floats.empty()) Fail("it holds floats");
    if (t.type != Tensor::kInt64 && !longs.empty()) Fail("it holds integers");
    t.data = t.type == Tensor::kFloat ? std::move(floats) : std::move(longs);
  }
  uint64_t count = 1;
  for (const int64_t d : t.shape) {
    if (d < 0) Fail("a length is negative");
    if (d != 0 && count > std::numeric_limits<uint64_t>::max() / 8 / static_cast<uint64_t>(d)) Fail("its shape is too large");
    count *= static_cast<uint64_t>(d);
  }
  if (t.data.size() % width != 0 || t.data.size() / width != count) {
    Fail("its shape has " + std::to_string(count) + " elements, the file holds " + std::to_string(t.data.size()) + " bytes");
  }
  return t;
}

std::string Difference(const Tensor& got, const Tensor& want, double rtol, double atol) {
  if (got.type != want.type || got.shape != want.shape) return "is " + got.Describe() + ", want " + want.Describe();
  size_t wrong = 0, first = 0;
  const size_t n = want.Count();
  for (size_t i = 0; i < n; i++) {
    if (!Same(got, want, i, rtol, atol) && wrong++ == 0) first = i;
  }
  if (wrong == 0) return "";
  std::ostringstream s;
  s.precision(9);
  s << wrong << " of " << n << " elements, the first at " << first << ": " << Number(got, first) << ", want " << Number(want, first);
  return s.str();
}
