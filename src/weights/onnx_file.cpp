#include "weights/onnx_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "tensor/tensor.h"
#include "weights/protobuf.h"

namespace espalier {
namespace {

constexpr std::size_t kMostRank = 8;
constexpr std::size_t kMostParts = 200'000;  // nodes, their inputs, outputs and attributes, tensors: all together
constexpr std::int64_t kMostElements = std::int64_t{1} << 31U;

// What all readers of one file share: the name for errors and the parts that may still come.
class Fields {
 public:
  explicit Fields(const std::string& label) : label_(label) {}
  [[nodiscard]] const std::string& label() const { return label_; }

  [[noreturn]] void broken(const std::string& why) const {
    fail(ErrorCode::format, label_, ": not an ONNX file, or a damaged one (", why, ")", hint("fetch it again"));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    fail(ErrorCode::unsupported, label_, ": the model has ", what, ", which is not supported",
         hint("export it as one plain graph"));
  }
  void count_part() {
    if (++parts_ > kMostParts) fail(ErrorCode::unsupported, label_, ": the graph has more than ", kMostParts, " parts");
  }
  [[nodiscard]] std::string_view message(const ProtoField& field, const char* what) const {
    if (field.wire != ProtoWire::bytes) broken(str(what, " is a number"));
    return field.bytes;
  }
  [[nodiscard]] std::int64_t number(const ProtoField& field, const char* what) const {
    if (field.wire != ProtoWire::varint) broken(str(what, " is not a whole number"));
    return static_cast<std::int64_t>(field.value);
  }
  // A repeated number: one of a field each, or packed. At most `most`.
  void numbers(const ProtoField& field, const char* what, std::size_t most, std::vector<std::int64_t>& out) {
    const auto add = [&](std::uint64_t value) {
      if (out.size() >= most) broken(str(what, " has more than ", most, " numbers"));
      count_part();
      out.push_back(static_cast<std::int64_t>(value));
    };
    if (field.wire == ProtoWire::varint) return add(field.value);
    ProtoReader list(message(field, what), label_);
    for (std::uint64_t value = 0; list.next_number(value);) add(value);
  }

 private:
  const std::string& label_;
  std::size_t parts_ = 0;
};

class Parser : Fields {
 public:
  using Fields::Fields;

  [[nodiscard]] OnnxGraph model(std::string_view bytes) {
    constexpr std::uint32_t kGraph = 7, kOpsets = 8, kTraining = 20, kFunctions = 25;
    OnnxGraph result;
    std::string_view graph;
    std::int64_t opset = 0;
    ProtoReader reader(bytes, label());
    for (ProtoField field; reader.next(field);) {
      switch (field.number) {
        case kGraph:
          if (graph.data() != nullptr) broken("two graphs");
          graph = message(field, "graph");
          break;
        case kOpsets: read_opset(message(field, "opset_import"), opset); break;
        case kTraining: unsupported("training information");
        case kFunctions: unsupported("functions of its own");
        default: break;
      }
    }
    if (graph.data() == nullptr) broken("no graph");
    read_graph(graph, result);
    if (opset <= 0) broken("no version of the standard operators");
    result.opset = opset;
    return result;
  }

 private:
  void read_opset(std::string_view bytes, std::int64_t& opset) const {
    std::string_view domain;
    std::int64_t version = 0;
    ProtoReader reader(bytes, label());
    for (ProtoField field; reader.next(field);) {
      if (field.number == 1) domain = message(field, "an operator domain");
      if (field.number == 2) version = number(field, "an operator version");
    }
    if (domain.empty() || domain == "ai.onnx") opset = version;
  }

  void read_graph(std::string_view bytes, OnnxGraph& graph) {
    constexpr std::uint32_t kNode = 1, kInitializer = 5, kInput = 11, kOutput = 12, kSparse = 15;
    ProtoReader reader(bytes, label());
    for (ProtoField field; reader.next(field);) {
      switch (field.number) {
        case kNode:
          count_part();
          graph.nodes.push_back(node(message(field, "a node"), graph));
          break;
        case kInitializer:
          count_part();
          graph.initializers.push_back(tensor(message(field, "an initializer")));
          break;
        case kInput:
          count_part();
          graph.inputs.push_back(value(message(field, "an input")));
          break;
        case kOutput:
          count_part();
          graph.outputs.push_back(value(message(field, "an output")));
          break;
        case kSparse: unsupported("sparse weights");
        default: break;
      }
    }
  }

  [[nodiscard]] OnnxNode node(std::string_view bytes, OnnxGraph& graph) {
    constexpr std::uint32_t kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5, kDomain = 7;
    OnnxNode result;
    ProtoReader reader(bytes, label());
    for (ProtoField field; reader.next(field);) {
      switch (field.number) {
        case kInput:
        case kOutput:
          count_part();
          (field.number == kInput ? result.inputs : result.outputs).push_back(message(field, "the name of a value"));
          break;
        case kName: result.name = message(field, "the name of a node"); break;
        case kOp: result.op = message(field, "an operator"); break;
        case kDomain: result.domain = message(field, "an operator domain"); break;
        case kAttribute:
          count_part();
          result.attributes.push_back(attribute(message(field, "an attribute"), graph));
          break;
        default: break;
      }
    }
    return result;
  }

  [[nodiscard]] OnnxAttribute attribute(std::string_view bytes, OnnxGraph& graph) {
    constexpr std::uint32_t kName = 1, kNumber = 2, kInteger = 3, kText = 4, kTensor = 5, kGraph = 6, kNumbers = 7,
                            kIntegers = 8, kType = 20, kOther = 9, kReference = 21;
    constexpr std::size_t kMostIntegers = 4096;
    using Kind = OnnxAttribute::Kind;
    constexpr Kind kKinds[] = {Kind::none,  Kind::number, Kind::integer,  Kind::text, Kind::tensor,
                               Kind::other, Kind::other,  Kind::integers, Kind::other};
    OnnxAttribute result;
    std::int64_t type = 0;
    ProtoReader reader(bytes, label());
    for (ProtoField field; reader.next(field);) {
      switch (field.number) {
        case kName: result.name = message(field, "the name of an attribute"); break;
        case kNumber:
          if (field.wire != ProtoWire::fixed32) broken("an attribute that is not a number");
          result.number = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
          set(result, Kind::number);
          break;
        case kInteger:
          result.integer = number(field, "an attribute");
          set(result, Kind::integer);
          break;
        case kText:
          result.text = message(field, "an attribute");
          set(result, Kind::text);
          break;
        case kTensor:
          count_part();
          result.tensor = graph.attribute_tensors.size();
          graph.attribute_tensors.push_back(tensor(message(field, "an attribute")));
          set(result, Kind::tensor);
          break;
        case kIntegers:
          numbers(field, "an attribute", kMostIntegers, result.integers);
          set(result, Kind::integers);
          break;
        case kType: type = number(field, "the type of an attribute"); break;
        case kGraph: unsupported("a graph inside a graph");
        case kNumbers:
        case kOther: result.kind = Kind::other; break;
        case kReference: unsupported("functions of its own");
        default: break;
      }
    }
    // Files of the first years leave the type out; a list without elements has nothing but its type.
    if (type != 0 && result.kind == Kind::none && type > 0 && type < std::ssize(kKinds)) result.kind = kKinds[type];
    return result;
  }
  void set(OnnxAttribute& attribute, OnnxAttribute::Kind kind) const {
    if (attribute.kind != OnnxAttribute::Kind::none && attribute.kind != kind) broken("an attribute with two values");
    attribute.kind = kind;
  }

  [[nodiscard]] OnnxTensor tensor(std::string_view bytes) {
    constexpr std::uint32_t kExtents = 1, kType = 2, kSegment = 3, kFloats = 4, kInt32s = 5, kTexts = 6, kInt64s = 7, kName = 8,
                            kRaw = 9, kDoubles = 10, kUnsigned = 11, kExternal = 13, kLocation = 14;
    OnnxTensor result;
    bool stored = false;
    const auto store = [&](OnnxTensor::Storage storage, const ProtoField& field) {
      if (stored || field.wire != ProtoWire::bytes) {
        broken("the elements of tensor " + printable(result.name) + " are stored in pieces");
      }
      stored = true;
      result.storage = storage;
      result.bytes = field.bytes;
    };
    ProtoReader reader(bytes, label());
    for (ProtoField field; reader.next(field);) {
      switch (field.number) {
        case kExtents: numbers(field, "the shape of a tensor", kMostRank, result.extents); break;
        case kType:
          result.type = static_cast<std::int32_t>(std::clamp<std::int64_t>(number(field, "an element type"), -1, 1000));
          break;
        case kName: result.name = message(field, "the name of a tensor"); break;
        case kRaw: store(OnnxTensor::Storage::raw, field); break;
        case kFloats: store(OnnxTensor::Storage::floats, field); break;
        case kInt32s:
        case kInt64s: store(OnnxTensor::Storage::integers, field); break;
        case kSegment: unsupported("tensors in segments");
        case kTexts:
        case kDoubles:
        case kUnsigned: stored = true; break;  // refused by its type where it is used
        case kExternal: unsupported("weights in another file");
        case kLocation:
          if (number(field, "the place of a tensor") != 0) unsupported("weights in another file");
          break;
        default: break;
      }
    }
    result.size = size_of_extents(result);
    return result;
  }
  [[nodiscard]] std::int64_t size_of_extents(const OnnxTensor& tensor) const {
    std::int64_t size = 1;
    for (const std::int64_t extent : tensor.extents) {
      if (extent < 0 || extent > kMostElements || (extent > 0 && size > kMostElements / extent)) {
        broken("tensor " + printable(tensor.name) + " has the shape " + to_string(tensor.extents));
      }
      size *= extent;
    }
    return size;
  }

  [[nodiscard]] OnnxValue value(std::string_view bytes) {
    OnnxValue result;
    ProtoReader reader(bytes, label());
    for (ProtoField field; reader.next(field);) {
      if (field.number == 1) result.name = message(field, "the name of a value");
      if (field.number == 2) read_type(message(field, "the type of a value"), result);
    }
    return result;
  }
  // TypeProto holds one TypeProto.Tensor, which holds an element type and a shape.
  void read_type(std::string_view bytes, OnnxValue& value) {
    ProtoReader types(bytes, label());
    for (ProtoField type; types.next(type);) {
      if (type.number != 1) continue;
      ProtoReader tensor(message(type, "a tensor type"), label());
      for (ProtoField field; tensor.next(field);) {
        if (field.number == 1)
          value.type = static_cast<std::int32_t>(std::clamp<std::int64_t>(number(field, "an element type"), -1, 1000));
        if (field.number == 2) read_shape(message(field, "a shape"), value);
      }
    }
  }
  void read_shape(std::string_view bytes, OnnxValue& value) {
    ProtoReader shape(bytes, label());
    for (ProtoField dimension; shape.next(dimension);) {
      if (dimension.number != 1) continue;
      if (value.extents.size() >= kMostRank) broken("a value of more than " + std::to_string(kMostRank) + " dimensions");
      std::int64_t extent = -1;
      ProtoReader parts(message(dimension, "a dimension"), label());
      for (ProtoField field; parts.next(field);) {
        if (field.number == 1) extent = number(field, "a dimension");
      }
      value.extents.push_back(extent);
    }
  }
};

const char* type_name(std::int32_t type) {
  constexpr const char* kNames[] = {"undefined", "float32", "uint8",     "int8",       "uint16",  "int16",
                                    "int32",     "int64",   "string",    "bool",       "float16", "float64",
                                    "uint32",    "uint64",  "complex64", "complex128", "bfloat16"};
  return type >= 0 && type < std::ssize(kNames) ? kNames[type] : "unknown";
}

// Throws unless the tensor has elements of one of two types and as many as its shape says.
void check_elements(const std::string& label, const OnnxTensor& tensor, std::int32_t type, std::int32_t other) {
  const std::string name = printable(tensor.name);
  if (tensor.type != type && tensor.type != other) {
    fail(ErrorCode::unsupported, label, ": tensor ", name, " has elements of type ", tensor.type, " (", type_name(tensor.type),
         ")", hint("networks of ", type_name(type), " and ", type_name(other), " are supported"));
  }
  const std::int64_t width = tensor.type == OnnxTensor::kHalf ? 2 : tensor.type == OnnxTensor::kInt64 ? 8 : 4;
  const auto bytes = static_cast<std::int64_t>(tensor.bytes.size());
  std::int64_t held = bytes / width;
  bool whole = bytes % width == 0;
  if (tensor.storage == OnnxTensor::Storage::floats) whole = whole && tensor.type == OnnxTensor::kFloat;
  if (tensor.storage == OnnxTensor::Storage::integers) {
    held = count_packed(tensor.bytes);
    whole = tensor.type != OnnxTensor::kFloat;
  }
  if (!whole || held != tensor.size) {
    fail(ErrorCode::format, label, ": tensor ", name, " of shape ", to_string(tensor.extents), " has ", bytes,
         " bytes of data, which is not what ", tensor.size, " elements of ", type_name(tensor.type), " take",
         hint("the file is damaged, fetch it again"));
  }
}

template <class T>
T element(std::string_view bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

std::string printable(std::string_view name) {
  constexpr std::size_t kLongest = 80;
  std::string out;
  for (const char c : name.substr(0, kLongest)) out += c >= ' ' && c <= '~' ? c : '?';
  if (name.size() > kLongest) out += "...";
  return out;
}

const OnnxAttribute* OnnxNode::find(std::string_view attribute) const {
  const auto it =
      std::find_if(attributes.begin(), attributes.end(), [&](const OnnxAttribute& a) { return a.name == attribute; });
  return it == attributes.end() ? nullptr : &*it;
}

OnnxGraph parse_onnx(const std::string& label, std::string_view bytes) { return Parser(label).model(bytes); }

OnnxFile::OnnxFile(const std::filesystem::path& path) : label_(path.string()), file_(path) {
  const auto bytes = file_.bytes();
  graph_ = parse_onnx(label_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void check_onnx_floats(const std::string& label, const OnnxTensor& tensor) {
  check_elements(label, tensor, OnnxTensor::kFloat, OnnxTensor::kHalf);
}

std::vector<float> onnx_floats(const std::string& label, const OnnxTensor& tensor) {
  check_onnx_floats(label, tensor);
  std::vector<float> out(static_cast<std::size_t>(tensor.size));
  if (tensor.type == OnnxTensor::kFloat) {
    if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data(), out.size() * sizeof(float));
  } else if (tensor.storage == OnnxTensor::Storage::raw) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(half{element<std::uint16_t>(tensor.bytes, i)});
  } else {
    ProtoReader list(tensor.bytes, label);
    std::uint64_t bits = 0;
    for (float& value : out) {
      if (list.next_number(bits)) value = to_float(half{static_cast<std::uint16_t>(bits)});
    }
  }
  return out;
}

std::vector<std::int64_t> onnx_integers(const std::string& label, const OnnxTensor& tensor) {
  check_elements(label, tensor, OnnxTensor::kInt64, OnnxTensor::kInt32);
  std::vector<std::int64_t> out(static_cast<std::size_t>(tensor.size));
  if (tensor.storage == OnnxTensor::Storage::integers) {
    ProtoReader list(tensor.bytes, label);
    std::uint64_t value = 0;
    for (std::int64_t& number : out) {
      if (list.next_number(value)) number = static_cast<std::int64_t>(value);
    }
    return out;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] =
        tensor.type == OnnxTensor::kInt64 ? element<std::int64_t>(tensor.bytes, i) : element<std::int32_t>(tensor.bytes, i);
  }
  return out;
}

}  // namespace espalier
