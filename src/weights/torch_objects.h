// What a pickle of torch.save is made of: storages, tensors that look at them, and ordered dictionaries. These few names are
// known; every other one is refused by name, and nothing is ever called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"
#include "weights/pickle.h"

namespace espalier {

// Elements of one type; the pickle says how many, the file around it where.
struct TorchStorage {
  std::string_view key;
  DType dtype = DType::f32;
  std::int64_t count = 0;
};

// A tensor as the pickle describes it, not yet checked.
struct TorchTensor {
  std::uint32_t storage = 0;
  std::int64_t offset = 0;       // in elements
  PickleValue extents, strides;  // tuples; strides in elements
};

class TorchObjects final : public PickleHooks {
 public:
  // What `tag` of a handle says; `number` is an index into tensors() or storages(), or a name.
  enum Tag : std::uint32_t { name_tag, storage_tag, tensor_tag };

  PickleValue global(Pickle& machine, std::string_view module, std::string_view name) override;
  PickleValue persistent(Pickle& machine, const PickleValue& id) override;
  PickleValue reduce(Pickle& machine, const PickleValue& callable, const PickleValue& arguments) override;
  void build(Pickle& machine, const PickleValue& object, const PickleValue& state) override;

  [[nodiscard]] const std::vector<TorchStorage>& storages() const { return storages_; }
  [[nodiscard]] const std::vector<TorchTensor>& tensors() const { return tensors_; }
  // Index of the storage with this key, or nothing.
  [[nodiscard]] std::optional<std::size_t> find_storage(std::string_view key) const;

 private:
  PickleValue ordered_dict(Pickle& machine, std::span<const PickleValue> arguments);
  PickleValue rebuild_tensor(Pickle& machine, std::span<const PickleValue> arguments);

  std::vector<TorchStorage> storages_;
  std::map<std::string_view, std::uint32_t> by_key_;  // indices of storages_
  std::vector<TorchTensor> tensors_;
};

}  // namespace espalier
