#include "weights/torch_objects.h"

#include <array>

#include "base/error.h"
#include "base/printable.h"

namespace espalier {
namespace {

constexpr std::size_t kMaxTensors = std::size_t{1} << 16U;
constexpr std::size_t kMaxKey = 256;  // bytes
constexpr std::size_t kMaxStorages = std::size_t{1} << 16U;

// Names in handles: these functions, then storage types by element type.
enum Name : std::int64_t { ordered_dict_type, rebuild_tensor_v2, rebuild_tensor_v1, rebuild_parameter, first_storage_type };

struct StorageType {
  std::string_view name;
  DType dtype;
};
constexpr std::array<StorageType, 10> kStorageTypes{{{"DoubleStorage", DType::f64},
                                                     {"FloatStorage", DType::f32},
                                                     {"HalfStorage", DType::f16},
                                                     {"BFloat16Storage", DType::bf16},
                                                     {"LongStorage", DType::i64},
                                                     {"IntStorage", DType::i32},
                                                     {"ShortStorage", DType::i16},
                                                     {"CharStorage", DType::i8},
                                                     {"ByteStorage", DType::u8},
                                                     {"BoolStorage", DType::boolean}}};

template <class... Parts>
[[noreturn]] void broken(const Pickle& machine, const Parts&... parts) {
  fail(ErrorCode::format, machine.place(), ": ", parts..., hint("the file is damaged or was not written by torch.save"));
}

bool is_handle(const PickleValue& v, TorchObjects::Tag tag) { return v.is(PickleKind::handle) && v.tag == tag; }

}  // namespace

PickleValue TorchObjects::global(Pickle& machine, std::string_view module, std::string_view name) {
  const auto known = [](std::int64_t which) { return PickleValue::handle(Tag::name_tag, which); };
  if (module == "collections" && name == "OrderedDict") return known(ordered_dict_type);
  if (module == "torch._utils") {
    if (name == "_rebuild_tensor_v2") return known(rebuild_tensor_v2);
    if (name == "_rebuild_tensor") return known(rebuild_tensor_v1);
    if (name == "_rebuild_parameter") return known(rebuild_parameter);
  }
  if (module == "torch" || module == "torch.cuda") {
    for (std::size_t i = 0; i < kStorageTypes.size(); ++i) {
      if (name == kStorageTypes[i].name) return known(first_storage_type + static_cast<std::int64_t>(i));
    }
  }
  fail(ErrorCode::unsupported, machine.place(), ": the file refers to ", printable(module), ".", printable(name),
       ", which is not allowed in a file of weights, and nothing was run",
       hint("get the file as safetensors, or save a plain "
            "state_dict()"));
}

// ('storage', type, key, location, count), and in old files a sixth element for storages that are parts of others.
PickleValue TorchObjects::persistent(Pickle& machine, const PickleValue& id) {
  if (!id.is(PickleKind::tuple)) broken(machine, "a persistent id that is not a tuple");
  const auto parts = machine.items(id);
  const bool storage_id = (parts.size() == 5 || parts.size() == 6) && parts[0].is(PickleKind::text) &&
                          parts[0].text() == "storage" && is_handle(parts[1], Tag::name_tag) &&
                          parts[1].number >= first_storage_type && parts[2].is(PickleKind::text) &&
                          parts[4].is(PickleKind::integer);
  if (!storage_id) broken(machine, "a persistent id that is not one of a storage");
  if (parts.size() == 6 && !parts[5].is(PickleKind::none)) {
    fail(ErrorCode::unsupported, machine.place(), ": storage ", printable(parts[2].text()),
         " is a part of another one, as only old versions of torch wrote", hint("save the file again with a newer one"));
  }
  TorchStorage storage;
  storage.key = parts[2].text();
  storage.dtype = kStorageTypes[static_cast<std::size_t>(parts[1].number - first_storage_type)].dtype;
  storage.count = parts[4].number;
  if (storage.count < 0 || storage.count > INT64_MAX / 8) {
    broken(machine, "storage ", printable(storage.key), " of ", storage.count, " elements");
  }
  if (storage.key.size() > kMaxKey) broken(machine, "a storage with a key of ", storage.key.size(), " bytes");
  if (const auto known = by_key_.find(storage.key); known != by_key_.end()) {
    const TorchStorage& before = storages_[known->second];
    if (before.dtype != storage.dtype || before.count != storage.count) {
      broken(machine, "storage ", printable(storage.key), " is described twice and differently");
    }
    return PickleValue::handle(Tag::storage_tag, known->second);
  }
  if (storages_.size() >= kMaxStorages) broken(machine, "more than ", kMaxStorages, " storages");
  const auto index = static_cast<std::uint32_t>(storages_.size());
  by_key_.emplace(storage.key, index);
  storages_.push_back(storage);
  return PickleValue::handle(Tag::storage_tag, index);
}

std::optional<std::size_t> TorchObjects::find_storage(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? std::nullopt : std::optional<std::size_t>(found->second);
}

PickleValue TorchObjects::reduce(Pickle& machine, const PickleValue& callable, const PickleValue& arguments) {
  const auto given = machine.items(arguments);
  if (!is_handle(callable, Tag::name_tag)) broken(machine, "a call of something that is not a function");
  switch (callable.number) {
    case ordered_dict_type: return ordered_dict(machine, given);
    case rebuild_tensor_v2:
      if (given.size() != 6 && given.size() != 7) break;
      if (given.size() == 7 && !given[6].is(PickleKind::none) &&
          !(given[6].is(PickleKind::dict) && machine.items(given[6]).empty())) {
        fail(ErrorCode::unsupported, machine.place(), ": a tensor that stands for the conjugate or negative of what is stored",
             hint("save it with "
                  ".resolve_conj().resolve_neg()"));
      }
      return rebuild_tensor(machine, given);
    case rebuild_tensor_v1:
      if (given.size() != 4) break;
      return rebuild_tensor(machine, given);
    case rebuild_parameter:
      if (given.size() != 3 || !is_handle(given[0], Tag::tensor_tag)) break;
      return given[0];
    default: break;
  }
  broken(machine, "a call with arguments that do not belong to it");
}

// OrderedDict(), and Python 2's OrderedDict([[key, value], ...]).
PickleValue TorchObjects::ordered_dict(Pickle& machine, std::span<const PickleValue> arguments) {
  if (arguments.empty()) return machine.new_container(PickleKind::dict, {});
  if (arguments.size() != 1 || !arguments[0].is(PickleKind::list))
    broken(machine, "an OrderedDict of something else than pairs");
  std::vector<PickleValue> items;
  for (const PickleValue& pair : machine.items(arguments[0])) {
    const bool listed = pair.is(PickleKind::list) || pair.is(PickleKind::tuple);
    if (!listed || machine.items(pair).size() != 2) broken(machine, "an OrderedDict of something else than pairs");
    items.insert(items.end(), machine.items(pair).begin(), machine.items(pair).end());
  }
  return machine.new_container(PickleKind::dict, items);
}

PickleValue TorchObjects::rebuild_tensor(Pickle& machine, std::span<const PickleValue> arguments) {
  if (!is_handle(arguments[0], Tag::storage_tag) || !arguments[1].is(PickleKind::integer) ||
      !arguments[2].is(PickleKind::tuple) || !arguments[3].is(PickleKind::tuple)) {
    broken(machine, "a tensor that is not made of storage, offset, size and strides");
  }
  if (tensors_.size() >= kMaxTensors) broken(machine, "more than ", kMaxTensors, " tensors");
  tensors_.push_back({static_cast<std::uint32_t>(arguments[0].number), arguments[1].number, arguments[2], arguments[3]});
  return PickleValue::handle(Tag::tensor_tag, static_cast<std::int64_t>(tensors_.size()) - 1);
}

// state_dict() carries the versions of its modules as the attribute _metadata, which changes no tensor.
void TorchObjects::build(Pickle& machine, const PickleValue& object, const PickleValue& state) {
  if (!object.is(PickleKind::dict) || !state.is(PickleKind::dict)) {
    fail(ErrorCode::unsupported, machine.place(),
         ": the file sets attributes of something else than a dictionary, and nothing was run",
         hint("save a plain state_dict()"));
  }
}

}  // namespace espalier
