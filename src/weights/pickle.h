// The part of Python's pickle format that files of tensors need, protocols 0x80 0x02 to 0x05. A pickle is a program for a
// stack machine that can name functions and call them; here nothing is ever called: names and calls go to PickleHooks, which
// knows a few and refuses all others. Opcodes that are not needed are refused by name. Memory is bounded before anything is
// allocated: at most 2^19 values in at most 2^17 containers, and a memo of 2^19: below 40 MiB for the worst pickle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

enum class PickleKind : std::uint8_t {
  none,
  boolean,  // `number` is 0 or 1
  integer,  // `number`
  text,     // text()
  bytes,    // text(): bytes objects, and whole numbers of more than 64 bits (little-endian)
  real,     // a float, whose value nobody asks for
  list,     // Pickle::items()
  tuple,
  dict,    // Pickle::items(): key, value, key, value ... in the order they were set; of equal keys the last one counts
  handle,  // what PickleHooks made: `tag` and `number` are its own
};

struct PickleValue {
  PickleKind kind = PickleKind::none;
  std::uint32_t tag = 0;  // of a handle; else a length or the number of a container
  union {
    std::int64_t number = 0;
    const char* data;
  };
  [[nodiscard]] std::string_view text() const { return {data, tag}; }
  [[nodiscard]] bool is(PickleKind wanted) const { return kind == wanted; }
  [[nodiscard]] static PickleValue handle(std::uint32_t tag, std::int64_t number);
};

class Pickle;

// What names and calls mean. Each throws Error to refuse; `machine` gives access to containers and describes the place.
class PickleHooks {
 public:
  PickleHooks() = default;
  PickleHooks(const PickleHooks&) = delete;
  PickleHooks& operator=(const PickleHooks&) = delete;
  virtual ~PickleHooks() = default;
  virtual PickleValue global(Pickle& machine, std::string_view module, std::string_view name) = 0;
  virtual PickleValue persistent(Pickle& machine, const PickleValue& id) = 0;
  virtual PickleValue reduce(Pickle& machine, const PickleValue& callable, const PickleValue& arguments) = 0;
  virtual void build(Pickle& machine, const PickleValue& object, const PickleValue& state) = 0;
};

class Pickle {
 public:
  // Runs the pickle at the start of `bytes`, which must outlive this object: texts point into it. `where` begins every error.
  // Throws format for pickles that are broken or too large, unsupported for opcodes that are not allowed, and what the hooks
  // throw.
  Pickle(std::string where, std::span<const std::byte> bytes, PickleHooks& hooks);

  [[nodiscard]] const PickleValue& root() const { return root_; }
  // Bytes up to and including STOP.
  [[nodiscard]] std::size_t size() const { return at_; }
  // Of a list, tuple or dict.
  [[nodiscard]] std::span<const PickleValue> items(const PickleValue& container) const;

  // For hooks.
  PickleValue new_container(PickleKind kind, std::span<const PickleValue> items);
  [[nodiscard]] std::string place() const;  // "FILE: data.pkl, byte 17"

 private:
  using Items = std::vector<PickleValue>;

  bool step();
  bool step_constant(unsigned char opcode);
  bool step_memory(unsigned char opcode);
  bool step_container(unsigned char opcode);
  bool step_call(unsigned char opcode);
  void announce(unsigned char opcode);

  [[nodiscard]] std::string_view take(std::uint64_t count);
  [[nodiscard]] std::uint64_t take_number(unsigned bytes);
  [[nodiscard]] std::string_view take_line();
  void push(const PickleValue& value);
  void push_text(PickleKind kind, std::string_view text);
  void push_integer(std::int64_t number);
  void push_long(std::string_view bytes);
  [[nodiscard]] PickleValue pop();
  [[nodiscard]] PickleValue& top();
  // Values above the last mark, which goes.
  [[nodiscard]] std::size_t pop_mark();
  void remember(std::uint64_t index);
  void recall(std::uint64_t index);
  void push_tuple(std::size_t first);
  void extend(PickleKind kind, std::size_t first);
  void count_values(std::size_t more);
  template <class... Parts>
  [[noreturn]] void broken(const Parts&... parts) const;

  std::string where_;
  std::span<const std::byte> bytes_;
  PickleHooks& hooks_;
  std::size_t at_ = 0, opcode_at_ = 0;
  std::size_t values_ = 0;  // in all containers
  Items stack_, memo_;
  std::vector<bool> remembered_;
  std::vector<std::size_t> marks_;
  std::vector<Items> containers_;
  PickleValue root_;
};

}  // namespace espalier
