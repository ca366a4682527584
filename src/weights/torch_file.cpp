#include "weights/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/printable.h"
#include "weights/torch_objects.h"
#include "weights/zip_directory.h"

namespace espalier {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kMaxPickle = std::size_t{8} << 20U;
constexpr std::size_t kMaxRank = 16;
constexpr std::size_t kMaxName = 4096;
// Tensors may repeat elements (stride 0) and share storages, but not without end: one tensor may have more elements than its
// storage up to this many, all together more bytes than the file up to this factor and these bytes.
constexpr std::int64_t kMaxExpanded = std::int64_t{1} << 22U;
constexpr std::uint64_t kMaxReuse = 16, kFreeReuse = std::uint64_t{16} << 20U;

// 0x1950a86a20f9469cfc6c, the number with which the older format begins, as in the pickle.
constexpr std::string_view kLegacyMagic{"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10};
constexpr std::int64_t kLegacyProtocol = 1001;

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Keys under which training programs save a state dictionary, the likeliest first.
constexpr std::array<std::string_view, 8> kWrappers{"state_dict", "model_state_dict", "model",   "module",
                                                    "params_ema", "params",           "weights", "net"};

}  // namespace

// What was unpickled, and where the storages lie.
class TorchFile::Contents {
 public:
  Contents(const std::string& label, std::string where, Bytes bytes)
      : label_(label), pickle_(std::move(where), bytes, objects_) {}

  [[nodiscard]] const Pickle& pickle() const { return pickle_; }
  [[nodiscard]] const TorchObjects& objects() const { return objects_; }
  // Finds the bytes of a storage, or throws; called only for storages of tensors that are wanted.
  std::function<Bytes(const TorchStorage&)> locate;

  [[nodiscard]] bool is_tensor(const PickleValue& v) const {
    return v.is(PickleKind::handle) && v.tag == TorchObjects::tensor_tag;
  }
  // Whether the dictionary has a tensor as a value under a text key.
  [[nodiscard]] bool has_tensors(const PickleValue& dict) const;
  [[nodiscard]] PickleValue state_dict() const;
  // The text, which must not be longer than names are.
  [[nodiscard]] std::string_view name(const PickleValue& text) const {
    if (text.text().size() > kMaxName) {
      fail(ErrorCode::format, label_, ": a name of ", text.text().size(), " bytes (", printable(text.text()), ")",
           hint("the file is damaged"));
    }
    return text.text();
  }

 private:
  const std::string& label_;
  TorchObjects objects_;
  Pickle pickle_;
};

bool TorchFile::Contents::has_tensors(const PickleValue& dict) const {
  const auto items = pickle_.items(dict);
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].is(PickleKind::text) && is_tensor(items[i + 1])) return true;
  }
  return false;
}

PickleValue TorchFile::Contents::state_dict() const {
  const PickleValue& root = pickle_.root();
  if (!root.is(PickleKind::dict)) {
    fail(ErrorCode::format, label_, ": it holds no dictionary of tensors", hint("save the state_dict() of the model"));
  }
  const auto items = pickle_.items(root);
  std::map<std::string_view, PickleValue> inner;  // of equal keys the last one counts, as in Python
  std::map<std::uint32_t, bool> seen;             // dictionaries, by whether they have tensors; one may stand at many places
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (!items[i].is(PickleKind::text)) continue;
    inner.erase(name(items[i]));
    if (!items[i + 1].is(PickleKind::dict)) continue;
    auto known = seen.find(items[i + 1].tag);
    if (known == seen.end()) known = seen.emplace(items[i + 1].tag, has_tensors(items[i + 1])).first;
    if (known->second) inner.emplace(name(items[i]), items[i + 1]);
  }
  for (const std::string_view key : kWrappers) {
    if (const auto found = inner.find(key); found != inner.end()) return found->second;
  }
  const bool direct = has_tensors(root);
  if (direct && inner.empty()) return root;
  if (!direct && inner.size() == 1) return inner.begin()->second;
  if (!direct && inner.empty())
    fail(ErrorCode::format, label_, ": it holds no tensors by name", hint("save the state_dict() of the model"));
  std::string names;
  for (const auto& [key, value] : inner) {
    if (names.size() < 200) names += str(names.empty() ? "" : ", ", printable(key));
  }
  fail(ErrorCode::format, label_, ": it holds several dictionaries of tensors (", names,
       direct ? ", and tensors beside them" : "", "), and which one is the model's is unknown", hint("save that one alone"));
}

bool TorchFile::recognises(Bytes beginning) {
  const std::string_view text = text_of(beginning);
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return true;
  // PROTO n, from protocol 4 on FRAME and its length, then LONG1 with the number.
  if (!text.starts_with('\x80')) return false;
  for (const std::size_t at : {std::size_t{2}, std::size_t{11}}) {
    if (text.size() > at && text.substr(at).starts_with(std::string("\x8a\x0a") + std::string(kLegacyMagic))) return true;
  }
  return false;
}

TorchFile::TorchFile(MappedFile file) : label_(file.path().string()), file_(std::move(file)) {
  const std::string_view text = text_of(file_.bytes());
  if (text.starts_with("PK")) {
    read_archive();
  } else if (recognises(file_.bytes())) {
    read_legacy();
  } else {
    fail(ErrorCode::format, label_, ": it is neither a zip archive nor an older file of torch.save", hint("fetch it again"));
  }
}

void TorchFile::read_archive() {
  const ZipDirectory zip(label_, file_.bytes());
  // The archive's only folder may have any name.
  const std::string_view suffix = "/data.pkl";
  const ZipEntry* object = nullptr;
  for (const ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(suffix)) continue;
    if (object != nullptr) fail(ErrorCode::format, label_, ": it holds several entries data.pkl", hint("save the file again"));
    object = &entry;
  }
  if (object == nullptr) fail(ErrorCode::format, label_, ": a zip archive without data.pkl is not a file of torch.save");
  const std::string root(object->name.substr(0, object->name.size() - suffix.size() + 1));
  if (zip.find(root + "constants.pkl") != nullptr) {
    fail(ErrorCode::unsupported, label_, ": it is a TorchScript program, not a file of weights",
         hint("save the state_dict() of the model"));
  }
  if (const ZipEntry* order = zip.find(root + "byteorder"); order != nullptr) {
    const std::string_view value = text_of(zip.content(*order));
    if (value != "little") {
      fail(ErrorCode::unsupported, label_, ": its byte order is \"", printable(value), "\", but only little is read",
           hint("save it on another machine"));
    }
  }
  const Bytes pickle = zip.content(*object);
  if (pickle.size() > kMaxPickle) {
    fail(ErrorCode::format, label_, ": data.pkl has ", pickle.size(), " bytes, at most ", kMaxPickle, " are read",
         hint("save the state_dict() alone"));
  }
  Contents contents(label_, label_ + ": data.pkl", pickle);
  contents.locate = [&](const TorchStorage& storage) {
    const std::string name = root + "data/" + std::string(storage.key);
    const ZipEntry* entry = zip.find(name);
    if (entry == nullptr)
      fail(ErrorCode::format, label_, ": the archive has no entry ", printable(name), hint("fetch the file again"));
    return zip.content(*entry);
  };
  take_state_dict(contents);
}

namespace {

// Nothing is known inside the short pickles around the object of an older file.
class NoObjects final : public PickleHooks {
 public:
  PickleValue global(Pickle& machine, std::string_view module, std::string_view name) override {
    fail(ErrorCode::unsupported, machine.place(), ": the file refers to ", printable(module), ".", printable(name),
         ", which is not allowed there, and nothing was run");
  }
  PickleValue persistent(Pickle& machine, const PickleValue& /*id*/) override { refuse(machine); }
  PickleValue reduce(Pickle& machine, const PickleValue& /*callable*/, const PickleValue& /*arguments*/) override {
    refuse(machine);
  }
  void build(Pickle& machine, const PickleValue& /*object*/, const PickleValue& /*state*/) override { refuse(machine); }

 private:
  [[noreturn]] static void refuse(const Pickle& machine) {
    fail(ErrorCode::unsupported, machine.place(), ": an object where there may be none, and nothing was run");
  }
};

void check_little_endian(const std::string& label, const Pickle& info) {
  if (info.root().is(PickleKind::dict)) {
    const auto items = info.items(info.root());
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (!items[i].is(PickleKind::text) || items[i].text() != "little_endian") continue;
      if (items[i + 1].is(PickleKind::boolean) && items[i + 1].number == 1) return;
      fail(ErrorCode::unsupported, label, ": it is big-endian, which is not read", hint("save it on another machine"));
    }
  }
  fail(ErrorCode::format, label, ": it does not say its byte order", hint("the file is damaged, fetch it again"));
}

}  // namespace

// Five pickles: the magic number, 1001, facts about the machine, the object, the keys of the storages; then for each key a
// count of 64 bits and the elements.
void TorchFile::read_legacy() {
  const Bytes all = file_.bytes();
  std::size_t at = 0;
  const auto rest = [&] { return all.subspan(at, std::min(kMaxPickle, all.size() - at)); };
  NoObjects none;
  const auto small = [&](const char* what) {
    Pickle pickle(label_ + ": " + what, rest(), none);
    at += pickle.size();
    return pickle;
  };
  (void)small("magic number");
  const Pickle protocol = small("protocol number");
  if (!protocol.root().is(PickleKind::integer) || protocol.root().number != kLegacyProtocol) {
    fail(ErrorCode::format, label_, ": its protocol is not ", kLegacyProtocol, hint("the file is damaged, fetch it again"));
  }
  check_little_endian(label_, small("system information"));
  Contents contents(label_, label_ + ": object", rest());
  at += contents.pickle().size();
  const Pickle keys = small("keys");
  if (!keys.root().is(PickleKind::list))
    fail(ErrorCode::format, label_, ": the list of storages is not a list", hint("fetch the file again"));
  const std::vector<TorchStorage>& storages = contents.objects().storages();
  std::vector<std::optional<Bytes>> places(storages.size());
  for (const PickleValue& key : keys.items(keys.root())) {
    const auto index = key.is(PickleKind::text) ? contents.objects().find_storage(key.text()) : std::nullopt;
    if (!index)
      fail(ErrorCode::format, label_, ": it stores elements that its object does not know", hint("fetch the file again"));
    const std::size_t i = *index;
    const TorchStorage& storage = storages[i];
    std::uint64_t count = 0;
    const auto damaged = [&](const auto&... what) {
      fail(ErrorCode::format, label_, ": storage ", printable(storage.key), " ", what...,
           hint("the file is truncated or damaged, fetch it again"));
    };
    if (places[i]) damaged("is stored twice");
    if (all.size() - at < sizeof count) damaged("is missing");
    for (unsigned b = 0; b < sizeof count; ++b) count |= std::to_integer<std::uint64_t>(all[at + b]) << (8U * b);
    at += sizeof count;
    if (count != static_cast<std::uint64_t>(storage.count)) damaged("has ", count, " elements instead of ", storage.count);
    const std::uint64_t bytes = count * size_of(storage.dtype);
    if (bytes > all.size() - at) damaged("of ", bytes, " bytes leaves the file of ", all.size());
    places[i] = all.subspan(at, static_cast<std::size_t>(bytes));
    at += static_cast<std::size_t>(bytes);
  }
  contents.locate = [&](const TorchStorage& storage) {
    const auto& place = places[static_cast<std::size_t>(&storage - storages.data())];
    if (!place)
      fail(ErrorCode::format, label_, ": storage ", printable(storage.key), " is missing", hint("fetch the file again"));
    return *place;
  };
  take_state_dict(contents);
}

void TorchFile::take_state_dict(const Contents& contents) {
  const auto items = contents.pickle().items(contents.state_dict());
  std::map<std::string_view, std::size_t> tensors;  // of equal names the last one counts, as in Python
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (!items[i].is(PickleKind::text)) continue;
    tensors.erase(contents.name(items[i]));
    if (contents.is_tensor(items[i + 1])) tensors.emplace(items[i].text(), static_cast<std::size_t>(items[i + 1].number));
  }
  for (const auto& [name, index] : tensors) add_tensor(contents, name, index);
}

namespace {

// Extents or strides from a tuple.
template <class Refuse>
std::vector<std::int64_t> whole_numbers(std::span<const PickleValue> tuple, const Refuse& refuse) {
  std::vector<std::int64_t> out;
  if (tuple.size() > kMaxRank) refuse("has ", tuple.size(), " dimensions, at most ", kMaxRank, " are read");
  for (const PickleValue& v : tuple) {
    if (!v.is(PickleKind::integer)) refuse("has a size or stride that is not a whole number");
    out.push_back(v.number);
  }
  return out;
}

bool row_by_row(const std::vector<std::int64_t>& extents, const std::vector<std::int64_t>& strides) {
  std::int64_t dense = 1;
  for (std::size_t i = extents.size(); i-- > 0;) {
    if (extents[i] != 1 && strides[i] != dense) return false;
    dense *= extents[i];
  }
  return true;
}

}  // namespace

void TorchFile::add_tensor(const Contents& contents, std::string_view name, std::size_t index) {
  const TorchTensor& tensor = contents.objects().tensors()[index];
  const TorchStorage& storage = contents.objects().storages()[tensor.storage];
  const auto refuse = [&](const auto&... parts) {
    fail(ErrorCode::format, label_, ": tensor ", printable(name), " ", parts..., hint("the file is damaged, fetch it again"));
  };
  TensorEntry entry;
  entry.dtype = storage.dtype;
  entry.extents = whole_numbers(contents.pickle().items(tensor.extents), refuse);
  std::vector<std::int64_t> strides = whole_numbers(contents.pickle().items(tensor.strides), refuse);
  if (strides.size() != entry.extents.size()) refuse("has ", entry.extents.size(), " sizes and ", strides.size(), " strides");
  if (tensor.offset < 0 || tensor.offset > storage.count) refuse("begins at element ", tensor.offset, " of ", storage.count);
  const auto width = static_cast<std::int64_t>(size_of(storage.dtype));
  std::int64_t count = 1;  // of elements; 0 as soon as one extent is
  for (const std::int64_t e : entry.extents) {
    if (e < 0) refuse("has the size ", to_string(entry.extents));
    if (e == 0) count = 0;
  }
  const std::int64_t most = std::max(storage.count, kMaxExpanded);
  std::int64_t last = tensor.offset;  // the farthest element
  for (std::size_t i = 0; count > 0 && i < strides.size(); ++i) {
    const std::int64_t e = entry.extents[i];
    if (e > most / count)
      refuse("of the size ", to_string(entry.extents), " is far larger than its storage of ", storage.count, " elements");
    count *= e;
    if (e == 1) {  // the stride means nothing
      strides[i] = 0;
      continue;
    }
    if (strides[i] < 0) refuse("has the strides ", to_string(strides));
    if (strides[i] > (storage.count - last) / (e - 1)) {
      refuse("with the size ", to_string(entry.extents), " and the strides ", to_string(strides), " leaves its storage of ",
             storage.count, " elements");
    }
    last += strides[i] * (e - 1);
  }
  if (count > 0 && last >= storage.count) {
    refuse("with the size ", to_string(entry.extents), " leaves its storage of ", storage.count, " elements");
  }
  entry.bytes = static_cast<std::size_t>(count * width);
  total_bytes_ += entry.bytes;
  if (total_bytes_ > kFreeReuse && (total_bytes_ - kFreeReuse) / kMaxReuse > file_.size()) {
    refuse("is one too many: together they are far larger than the file of ", file_.size(), " bytes");
  }
  const Bytes bytes = contents.locate(storage);
  if (bytes.size() < static_cast<std::size_t>(storage.count * width)) {
    refuse("needs a storage of ", storage.count, " elements (", storage.count * width, " bytes), but ", bytes.size(),
           " bytes are there");
  }
  const std::byte* first = bytes.data() + tensor.offset * width;
  if (count == 0 || row_by_row(entry.extents, strides)) {
    entry.data = first;
  } else {
    strided_.emplace(name, Strided{first, std::move(strides)});
  }
  entries_.emplace(name, std::move(entry));
}

namespace {

// Elements of `Width` bytes, row by row; at least one dimension, none of them empty.
template <std::size_t Width>
void gather(const std::byte* first, const std::vector<std::int64_t>& extents, const std::vector<std::int64_t>& strides,
            std::byte* to) {
  constexpr auto kWidth = static_cast<std::int64_t>(Width);
  const std::size_t inner = extents.size() - 1;
  std::array<std::int64_t, kMaxRank> at{};
  std::int64_t row = 0;  // where it begins, in elements
  for (bool more = true; more;) {
    for (std::int64_t i = 0; i < extents[inner]; ++i, to += Width)
      std::memcpy(to, first + (row + i * strides[inner]) * kWidth, Width);
    more = false;
    for (std::size_t d = inner; d-- > 0 && !more;) {
      row += strides[d];
      more = ++at[d] < extents[d];
      if (more) continue;
      row -= strides[d] * extents[d];
      at[d] = 0;
    }
  }
}

}  // namespace

TensorEntry TorchFile::read(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(ErrorCode::not_found, label_, ": no tensor ", printable(name));
  const auto strided = strided_.find(name);
  if (strided == strided_.end()) return found->second;
  TensorEntry entry = found->second;
  buffer_.resize(entry.bytes);
  const auto& [first, strides] = strided->second;
  switch (size_of(entry.dtype)) {
    case 8: gather<8>(first, entry.extents, strides, buffer_.data()); break;
    case 4: gather<4>(first, entry.extents, strides, buffer_.data()); break;
    case 2: gather<2>(first, entry.extents, strides, buffer_.data()); break;
    default: gather<1>(first, entry.extents, strides, buffer_.data()); break;
  }
  entry.data = buffer_.data();
  return entry;
}

}  // namespace espalier
