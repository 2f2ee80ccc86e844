// Reading and comparing the tensors of a test set.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Tensor is a dense tensor in row-major order.
struct Tensor {
  // The element types of TensorProto that are read, with its numbers.
  enum Type : int { kNone = 0, kFloat = 1, kInt64 = 7, kBool = 9 };

  Type type = kNone;
  std::vector<int64_t> shape;
  std::vector<unsigned char> data;  // elements, little-endian

  // Count returns the number of elements.
  size_t Count() const;

  // Describe returns the type and shape, as in float[64,30].
  std::string Describe() const;
};

// Width returns the bytes of an element.
size_t Width(Tensor::Type type);

// Floats returns the elements of a tensor of floats; it throws std::runtime_error for
// another.
std::vector<float> Floats(const Tensor& t);

// ParseTensor reads a serialized TensorProto, which may hold anything: nothing
// is read past its end and nothing allocated that it does not hold. It throws
// std::runtime_error.
Tensor ParseTensor(const std::vector<unsigned char>& message);

// Difference says how got differs from want, or returns "". Two floats are equal
// if |got - want| <= atol + rtol * |want|, if both are NaN, or if both are the
// same infinity.
std::string Difference(const Tensor& got, const Tensor& want, double rtol, double atol);
