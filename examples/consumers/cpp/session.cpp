#include "session.h"

#include <cstring>
#include <stdexcept>

#include "bundle.h"

namespace fs = std::filesystem;

namespace {

const OrtApi* Api() {
  static const OrtApi* const api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (api == nullptr) throw std::runtime_error("this onnxruntime is older than the header");
  return api;
}

// Check throws what a status says.
void Check(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = Api()->GetErrorMessage(status);
  Api()->ReleaseStatus(status);
  throw std::runtime_error(message);
}

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// Own takes what make writes to a pointer.
template <typename T, typename F>
Owned<T> Own(void (*release)(T*), F make) {
  T* p = nullptr;
  Check(make(&p));
  return Owned<T>(p, release);
}

using Value = Owned<OrtValue>;

template <typename F>
std::string Name(F get) {
  OrtAllocator* allocator = nullptr;
  Check(Api()->GetAllocatorWithDefaultOptions(&allocator));
  char* name = nullptr;
  Check(get(allocator, &name));
  const std::string s = name;
  Check(Api()->AllocatorFree(allocator, name));
  return s;
}

std::vector<const char*> Pointers(const std::vector<std::string>& names) {
  std::vector<const char*> p;
  for (const std::string& n : names) p.push_back(n.c_str());
  return p;
}

Tensor Copy(OrtValue* v) {
  const auto info = Own<OrtTensorTypeAndShapeInfo>(Api()->ReleaseTensorTypeAndShapeInfo,
                                                   [&](OrtTensorTypeAndShapeInfo** p) { return Api()->GetTensorTypeAndShape(v, p); });
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  size_t rank = 0, count = 0;
  Check(Api()->GetTensorElementType(info.get(), &type));
  Check(Api()->GetDimensionsCount(info.get(), &rank));
  Check(Api()->GetTensorShapeElementCount(info.get(), &count));
  Tensor t;
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: t.type = Tensor::kFloat; break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64: t.type = Tensor::kInt64; break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL: t.type = Tensor::kBool; break;
    default: throw std::runtime_error("an output is neither float nor int64 nor bool");
  }
  t.shape.resize(rank);
  Check(Api()->GetDimensions(info.get(), t.shape.data(), rank));
  void* data = nullptr;
  Check(Api()->GetTensorMutableData(v, &data));
  t.data.resize(count * Width(t.type));
  if (!t.data.empty()) std::memcpy(t.data.data(), data, t.data.size());
  return t;
}

}  // namespace

Model::Model(const fs::path& path)
    : env_(Own<OrtEnv>(Api()->ReleaseEnv, [](OrtEnv** p) { return Api()->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "replay", p); })),
      session_(nullptr, Api()->ReleaseSession),
      memory_(Own<OrtMemoryInfo>(Api()->ReleaseMemoryInfo,
                                 [](OrtMemoryInfo** p) { return Api()->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, p); })) {
  const std::vector<unsigned char> bytes = ReadFile(path);
  const auto options =
      Own<OrtSessionOptions>(Api()->ReleaseSessionOptions, [](OrtSessionOptions** p) { return Api()->CreateSessionOptions(p); });
  Check(Api()->SetIntraOpNumThreads(options.get(), 1));
  session_ = Own<OrtSession>(Api()->ReleaseSession, [&](OrtSession** p) {
    return Api()->CreateSessionFromArray(env_.get(), bytes.data(), bytes.size(), options.get(), p);
  });
  size_t n = 0;
  Check(Api()->SessionGetInputCount(session_.get(), &n));
  for (size_t i = 0; i < n; i++) {
    inputs_.push_back(Name([&](OrtAllocator* a, char** p) { return Api()->SessionGetInputName(session_.get(), i, a, p); }));
  }
  Check(Api()->SessionGetOutputCount(session_.get(), &n));
  for (size_t i = 0; i < n; i++) {
    outputs_.push_back(Name([&](OrtAllocator* a, char** p) { return Api()->SessionGetOutputName(session_.get(), i, a, p); }));
  }
}

std::string Model::Metadata(const std::string& key) const {
  const auto metadata = Own<OrtModelMetadata>(Api()->ReleaseModelMetadata,
                                              [&](OrtModelMetadata** p) { return Api()->SessionGetModelMetadata(session_.get(), p); });
  OrtAllocator* allocator = nullptr;
  Check(Api()->GetAllocatorWithDefaultOptions(&allocator));
  char* value = nullptr;
  Check(Api()->ModelMetadataLookupCustomMetadataMap(metadata.get(), allocator, key.c_str(), &value));
  if (value == nullptr) return "";
  const std::string s = value;
  Check(Api()->AllocatorFree(allocator, value));
  return s;
}

std::vector<Tensor> Model::Run(std::vector<Tensor>& in) const {
  std::vector<Value> owned;
  std::vector<const OrtValue*> values;
  for (Tensor& t : in) {
    owned.push_back(Own<OrtValue>(Api()->ReleaseValue, [&](OrtValue** p) {
      unsigned char none = 0;
      return Api()->CreateTensorWithDataAsOrtValue(memory_.get(), t.data.empty() ? &none : t.data.data(), t.data.size(), t.shape.data(),
                                                   t.shape.size(), static_cast<ONNXTensorElementDataType>(t.type), p);
    }));
    values.push_back(owned.back().get());
  }
  const std::vector<const char*> inputs = Pointers(inputs_), outputs = Pointers(outputs_);
  std::vector<OrtValue*> results(outputs.size(), nullptr);
  OrtStatus* const status = Api()->Run(session_.get(), nullptr, inputs.data(), values.data(), values.size(), outputs.data(),
                                       outputs.size(), results.data());
  std::vector<Value> kept;
  for (OrtValue* v : results) kept.emplace_back(v, Api()->ReleaseValue);
  Check(status);
  std::vector<Tensor> out;
  for (const Value& v : kept) out.push_back(Copy(v.get()));
  return out;
}

size_t Model::Place(const std::vector<std::string>& names, const std::string& name, const std::string& kind) {
  for (size_t i = 0; i < names.size(); i++) {
    if (names[i] == name) return i;
  }
  throw std::runtime_error("the model has no " + kind + " named " + name);
}
