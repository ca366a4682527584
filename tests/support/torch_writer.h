// Files as torch.save writes them, made by hand so that each part can be wrong.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace espalier::test {

inline std::string little_endian(std::uint64_t number, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8U * i) & 0xFFU);
  return out;
}

// Opcodes one after the other, protocol 2.
class PickleWriter {
 public:
  explicit PickleWriter(unsigned protocol = 2) { op('\x80').op(static_cast<char>(protocol)); }
  PickleWriter& op(char code) {
    bytes_ += code;
    return *this;
  }
  PickleWriter& raw(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleWriter& text(const std::string& text) { return op('X').raw(little_endian(text.size(), 4)).raw(text); }
  PickleWriter& integer(std::int64_t n) {
    if (n >= 0 && n < 256) return op('K').raw(little_endian(static_cast<std::uint64_t>(n), 1));
    return op('\x8a').op('\x08').raw(little_endian(static_cast<std::uint64_t>(n), 8));
  }
  PickleWriter& global(const std::string& module, const std::string& name) { return op('c').raw(module + "\n" + name + "\n"); }
  PickleWriter& tuple(const std::vector<std::int64_t>& numbers) {
    op('(');
    for (const std::int64_t n : numbers) integer(n);
    return op('t');
  }
  PickleWriter& ordered_dict() { return global("collections", "OrderedDict").op(')').op('R'); }
  [[nodiscard]] std::string stop() const { return bytes_ + '.'; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

struct TorchTensorText {
  std::string name, storage_type = "FloatStorage", key = "0";
  std::int64_t count = 0;  // of the storage
  std::int64_t offset = 0;
  std::vector<std::int64_t> extents, strides;
};

// name: _rebuild_tensor_v2(storage, offset, extents, strides, False, OrderedDict())
inline void append_tensor(PickleWriter& out, const TorchTensorText& t, bool legacy = false) {
  out.global("torch._utils", "_rebuild_tensor_v2").op('(');
  out.op('(').text("storage").global("torch", t.storage_type).text(t.key).text("cpu").integer(t.count);
  if (legacy) out.op('N');
  out.op('t').op('Q');
  out.integer(t.offset).tuple(t.extents).tuple(t.strides).op('\x89').ordered_dict().op('t').op('R');
}

inline std::string torch_pickle(const std::vector<TorchTensorText>& tensors, bool legacy = false) {
  PickleWriter out;
  out.op('}').op('(');
  for (const TorchTensorText& t : tensors) {
    out.text(t.name);
    append_tensor(out, t, legacy);
  }
  return out.op('u').stop();
}

struct ZipParts {
  std::vector<std::pair<std::string, std::string>> entries;  // name, content
  bool zip64 = false;                                        // all numbers in the directory only as 64 bits
  bool descriptors = false;                                  // local headers without sizes
  unsigned alignment = 64;                                   // of the content, 0: none
  std::string comment;
};

// A zip archive of stored entries.
inline std::string zip_archive(const ZipParts& parts) {
  std::string out, directory;
  const auto word = [](std::uint64_t n) { return little_endian(n, 2); };
  const auto quad = [](std::uint64_t n) { return little_endian(n, 4); };
  const std::string flags = word(parts.descriptors ? 0x0808 : 0x0800);
  const auto sizes_of = [&](std::uint64_t bytes) { return quad(bytes) + quad(bytes); };
  for (const auto& [name, content] : parts.entries) {
    const std::uint64_t at = out.size();
    std::string padding;
    if (parts.alignment > 0) {
      const std::size_t start = out.size() + 30 + name.size() + 4;
      const std::size_t pad = (parts.alignment - start % parts.alignment) % parts.alignment;
      padding = "FB" + word(pad) + std::string(pad, 'Z');
    }
    out += "PK\x03\x04" + word(20) + flags + word(0) + quad(0) + quad(0);
    out += parts.descriptors ? sizes_of(0) : sizes_of(content.size());
    out += word(name.size()) + word(padding.size()) + name + padding + content;
    if (parts.descriptors) out += "PK\x07\x08" + quad(0) + sizes_of(content.size());
    std::string extra;
    if (parts.zip64) {
      extra = word(1) + word(24);
      for (const std::uint64_t n : {std::uint64_t{content.size()}, std::uint64_t{content.size()}, at})
        extra += little_endian(n, 8);
    }
    directory += "PK\x01\x02" + word(0x31e) + word(20) + flags + word(0) + quad(0) + quad(0);
    directory += parts.zip64 ? sizes_of(0xFFFFFFFF) : sizes_of(content.size());
    directory += word(name.size()) + word(extra.size()) + word(0) + word(0) + word(0) + quad(0);
    directory += quad(parts.zip64 ? 0xFFFFFFFF : at) + name + extra;
  }
  const std::uint64_t count = parts.entries.size(), bytes = directory.size(), begin = out.size();
  out += directory;
  if (parts.zip64) {
    const std::uint64_t record = out.size();
    out += "PK\x06\x06" + little_endian(44, 8) + word(0x31e) + word(45) + quad(0) + quad(0);
    for (const std::uint64_t n : {count, count, bytes, begin}) out += little_endian(n, 8);
    out += "PK\x06\x07" + quad(0) + little_endian(record, 8) + quad(1);
  }
  const std::uint64_t narrow = parts.zip64 ? 0xFFFF : count;
  out += "PK\x05\x06" + word(0) + word(0) + word(narrow) + word(narrow);
  out += quad(parts.zip64 ? 0xFFFFFFFF : bytes) + quad(parts.zip64 ? 0xFFFFFFFF : begin);
  return out + word(parts.comment.size()) + parts.comment;
}

// A whole file: `pickle` and storages by key.
inline std::string torch_archive(const std::string& pickle, const std::vector<std::pair<std::string, std::string>>& storages,
                                 ZipParts parts = {}) {
  parts.entries.insert(parts.entries.begin(), {"archive/data.pkl", pickle});
  for (const auto& [key, content] : storages) parts.entries.emplace_back("archive/data/" + key, content);
  parts.entries.emplace_back("archive/version", "3\n");
  return zip_archive(parts);
}

// The format before torch 1.6; each storage is its key, the count that stands before it, and its content.
struct LegacyStorage {
  std::string key;
  std::uint64_t count = 0;
  std::string content;
};
inline std::string torch_legacy(const std::string& object, const std::vector<LegacyStorage>& storages, bool little = true) {
  std::string out = PickleWriter().op('\x8a').op('\x0a').raw("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19").stop();
  out += PickleWriter().op('M').raw(little_endian(1001, 2)).stop();
  out += PickleWriter().op('}').text("little_endian").op(little ? '\x88' : '\x89').op('s').stop();
  out += object;
  PickleWriter keys;
  keys.op(']').op('(');
  for (const LegacyStorage& s : storages) keys.text(s.key);
  out += keys.op('e').stop();
  for (const LegacyStorage& s : storages) out += little_endian(s.count, 8) + s.content;
  return out;
}

}  // namespace espalier::test
