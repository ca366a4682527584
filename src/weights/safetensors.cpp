#include "weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/printable.h"

namespace espalier {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxHeader = std::size_t{100} << 20U;
constexpr std::size_t kMaxRank = 16;
constexpr const char* kMetadataKey = "__metadata__";

// A header has three levels and some dozen values for each tensor; the strings of its metadata may be long.
constexpr JsonLimits kHeaderLimits{.bytes = kMaxHeader, .values = 1U << 20U, .string = std::size_t{16} << 20U, .depth = 4};

std::uint64_t unsigned_number(const std::string& label, const std::string& name, const json& value, const char* what) {
  if (!value.is_number_unsigned()) {
    fail(ErrorCode::format, label, ": tensor ", name, ": ", what, " is not a non-negative whole number");
  }
  return value.get<std::uint64_t>();
}

TensorEntry parse_entry(const std::string& label, const std::string& name, const json& value, const std::byte* body,
                        std::size_t body_bytes) {
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets")) {
    fail(ErrorCode::format, label, ": tensor ", name, ": dtype, shape or data_offsets is missing");
  }
  TensorEntry entry;
  const json& dtype = value["dtype"];
  if (!dtype.is_string() || !parse_dtype(dtype.get<std::string>(), entry.dtype)) {
    fail(ErrorCode::format, label, ": tensor ", name, ": unknown dtype ",
         dtype.is_string() ? printable(dtype.get_ref<const std::string&>()) : "that is not a string");
  }
  const json& shape = value["shape"];
  if (!shape.is_array() || shape.size() > kMaxRank)
    fail(ErrorCode::format, label, ": tensor ", name, ": shape is not a short list");
  for (const json& e : shape) {
    const std::uint64_t extent = unsigned_number(label, name, e, "an extent");
    if (extent > (std::uint64_t{1} << 48U))
      fail(ErrorCode::format, label, ": tensor ", name, ": extent ", extent, " is too large");
    entry.extents.push_back(static_cast<std::int64_t>(extent));
  }
  std::int64_t expected = 0;
  try {
    std::vector<std::int64_t> all = entry.extents;
    all.push_back(static_cast<std::int64_t>(size_of(entry.dtype)));
    expected = checked_size(all);
  } catch (const Error&) {
    fail(ErrorCode::format, label, ": tensor ", name, ": shape ", to_string(entry.extents), " is too large");
  }
  const json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    fail(ErrorCode::format, label, ": tensor ", name, ": data_offsets is not a pair");
  const std::uint64_t begin = unsigned_number(label, name, offsets[0], "an offset");
  const std::uint64_t end = unsigned_number(label, name, offsets[1], "an offset");
  if (begin > end || end > body_bytes) {
    fail(ErrorCode::format, label, ": tensor ", name, ": bytes ", begin, " to ", end, " lie outside the file's ", body_bytes,
         " data bytes", hint("the file is truncated or damaged, fetch it again"));
  }
  if (end - begin != static_cast<std::uint64_t>(expected)) {
    fail(ErrorCode::format, label, ": tensor ", name, ": ", end - begin, " bytes, but ", name_of(entry.dtype), " ",
         to_string(entry.extents), " needs ", expected);
  }
  entry.data = body + begin;
  entry.bytes = static_cast<std::size_t>(end - begin);
  return entry;
}

// Tensors must tile the body: no overlap, no gap, nothing left over.
void check_tiling(const std::string& label, const std::map<std::string, TensorEntry>& entries, const std::byte* body,
                  std::size_t body_bytes) {
  std::vector<std::pair<std::size_t, const std::string*>> order;
  for (const auto& [name, e] : entries) {
    if (e.bytes != 0) order.emplace_back(static_cast<std::size_t>(e.data - body), &name);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t at = 0;
  for (const auto& [offset, name] : order) {
    if (offset != at) {
      fail(ErrorCode::format, label, ": tensor ", printable(*name), " starts at byte ", offset,
           ", but the one before it ends at ", at, offset < at ? ": tensors overlap" : ": bytes belong to no tensor");
    }
    at += entries.at(*name).bytes;
  }
  if (at != body_bytes) {
    fail(ErrorCode::format, label, ": ", body_bytes - at, " bytes after the last tensor",
         hint("the header does not belong to this file"));
  }
}

}  // namespace

std::map<std::string, TensorEntry> parse_safetensors_header(const std::string& label, const char* text, std::size_t text_bytes,
                                                            const std::byte* body, std::size_t body_bytes,
                                                            std::map<std::string, std::string>& metadata) {
  std::string problem;
  const json header = read_json<json>({text, text_bytes}, kHeaderLimits, problem);
  if (!problem.empty())
    fail(ErrorCode::format, label, ": header ", problem, hint("the file is not a safetensors file or is damaged"));
  if (!header.is_object())
    fail(ErrorCode::format, label, ": header is not a JSON object", hint("the file is not a safetensors file or is damaged"));

  std::map<std::string, TensorEntry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadataKey) {
      if (!value.is_object()) fail(ErrorCode::format, label, ": __metadata__ is not an object");
      for (const auto& [key, text_value] : value.items()) {
        if (text_value.is_string()) metadata[key] = text_value.get<std::string>();
      }
      continue;
    }
    entries.emplace(name, parse_entry(label, printable(name), value, body, body_bytes));
  }
  check_tiling(label, entries, body, body_bytes);
  return entries;
}

SafetensorsFile::SafetensorsFile(MappedFile file) : label_(file.path().string()), file_(std::move(file)) {
  const std::size_t size = file_.size();
  const std::byte* bytes = file_.bytes().data();
  std::uint64_t header = 0;
  if (std::string_view(reinterpret_cast<const char*>(bytes), size).starts_with("version https://git-lfs.github.com/spec/")) {
    fail(ErrorCode::format, label_, ": it is a Git LFS pointer, not the file itself",
         hint("run git lfs pull in its folder, or download the file itself"));
  }
  if (size < sizeof(header))
    fail(ErrorCode::format, label_, ": ", size, " bytes are too few for a safetensors file",
         hint("it is truncated or damaged, fetch it again"));
  for (int i = 7; i >= 0; --i) header = header << 8U | std::to_integer<std::uint64_t>(bytes[i]);
  if (header > kMaxHeader || header > size - sizeof(std::uint64_t)) {
    fail(ErrorCode::format, label_, ": header of ", header, " bytes in a file of ", size,
         hint("the file is not a safetensors file or is truncated"));
  }
  const std::byte* body = bytes + sizeof(std::uint64_t) + header;
  try {
    entries_ = parse_safetensors_header(label_, reinterpret_cast<const char*>(bytes) + sizeof(std::uint64_t), header, body,
                                        size - sizeof(std::uint64_t) - header, metadata_);
  } catch (const Error&) {
    check_intact();  // says more than that zeros are no header
    throw;
  }
  check_intact();
}

TensorEntry SafetensorsFile::read(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) fail(ErrorCode::not_found, label_, ": no tensor ", printable(name));
  return it->second;
}

HostTensor SafetensorsFile::load(const std::string& name) const {
  const TensorEntry entry = read(name);
  HostTensor tensor(entry.dtype, entry.extents);
  if (entry.bytes != 0) std::memcpy(tensor.data(), entry.data, entry.bytes);
  check_intact();
  return tensor;
}

namespace {

// The public library's order of types, which puts the widest first so that all data is aligned.
int type_rank(DType type) {
  switch (type) {
    case DType::i64: return 0;
    case DType::f64: return 1;
    case DType::f32: return 2;
    case DType::i32: return 3;
    case DType::bf16: return 4;
    case DType::f16: return 5;
    case DType::i16: return 6;
    case DType::i8: return 7;
    case DType::u8: return 8;
    case DType::boolean: return 9;
  }
  fail(ErrorCode::internal, "type_rank: unknown dtype");
}

std::string quoted(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    fail(ErrorCode::format, "tensor ", printable(text), ": a name in a safetensors file must be UTF-8", hint("rename it"));
  }
}

std::map<std::string, TensorEntry> entries_of(const std::map<std::string, HostTensor>& tensors) {
  std::map<std::string, TensorEntry> entries;
  for (const auto& [name, tensor] : tensors) entries[name] = {tensor.dtype(), tensor.extents(), tensor.data(), tensor.bytes()};
  return entries;
}

}  // namespace

SafetensorsLayout plan_safetensors(const std::map<std::string, TensorEntry>& entries,
                                   const std::map<std::string, std::string>& metadata) {
  SafetensorsLayout layout;
  for (const auto& [name, entry] : entries) {
    if (name == kMetadataKey)
      fail(ErrorCode::format, "tensor ", name, ": the name is reserved in a safetensors file", hint("rename it"));
    layout.order.push_back(name);
  }
  std::stable_sort(layout.order.begin(), layout.order.end(), [&](const std::string& a, const std::string& b) {
    return type_rank(entries.at(a).dtype) < type_rank(entries.at(b).dtype);
  });
  // The library's keys stand in this order; nlohmann would sort them.
  std::string header = "{";
  const auto member = [&](const std::string& key, const std::string& value) {
    header += str(header.size() > 1 ? "," : "", quoted(key), ":", value);
  };
  if (!metadata.empty()) {
    std::string values;
    for (const auto& [key, value] : metadata) values += str(values.empty() ? "" : ",", quoted(key), ":", quoted(value));
    member(kMetadataKey, str("{", values, "}"));
  }
  for (const std::string& name : layout.order) {
    const TensorEntry& entry = entries.at(name);
    std::string shape;
    for (const std::int64_t e : entry.extents) shape += str(shape.empty() ? "" : ",", e);
    member(name, str("{\"dtype\":\"", name_of(entry.dtype), "\",\"shape\":[", shape, "],\"data_offsets\":[", layout.body_bytes,
                     ",", layout.body_bytes + entry.bytes, "]}"));
    layout.body_bytes += entry.bytes;
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  for (unsigned i = 0; i < 8; ++i)
    layout.head.push_back(static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8U * i) & 0xFFU));
  layout.head += header;
  return layout;
}

std::string write_safetensors(const std::filesystem::path& path, const TensorSource& source) {
  const SafetensorsLayout layout = plan_safetensors(source.entries(), source.metadata());
  FileWriter file(path);
  Sha256 hash;
  const auto write = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    file.write(bytes);
  };
  write(std::as_bytes(std::span(layout.head)));
  for (const std::string& name : layout.order) {
    const TensorEntry entry = source.read(name);
    write({entry.data, entry.bytes});
  }
  source.check_intact();
  file.commit();
  return hash.finish();
}

std::vector<std::byte> encode_safetensors(const std::map<std::string, HostTensor>& tensors,
                                          const std::map<std::string, std::string>& metadata) {
  const std::map<std::string, TensorEntry> entries = entries_of(tensors);
  const SafetensorsLayout layout = plan_safetensors(entries, metadata);
  std::vector<std::byte> bytes;
  bytes.reserve(layout.head.size() + layout.body_bytes);
  const std::span<const std::byte> head = std::as_bytes(std::span(layout.head));
  bytes.insert(bytes.end(), head.begin(), head.end());
  for (const std::string& name : layout.order) {
    const TensorEntry& entry = entries.at(name);
    bytes.insert(bytes.end(), entry.data, entry.data + entry.bytes);
  }
  return bytes;
}

void save_safetensors(const std::filesystem::path& path, const std::map<std::string, HostTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::map<std::string, TensorEntry> entries = entries_of(tensors);
  const SafetensorsLayout layout = plan_safetensors(entries, metadata);
  FileWriter file(path);
  file.write(std::as_bytes(std::span(layout.head)));
  for (const std::string& name : layout.order) file.write({entries.at(name).data, entries.at(name).bytes});
  file.commit();
}

}  // namespace espalier
